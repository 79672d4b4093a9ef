# SPDX-License-Identifier: Apache-2.0
"""From figures as their authors published them to our schema.

Each function takes the published figures under the published names and returns a CameraProfile. The JSON
files of the library are made with them by tools/make_library.py; ``CameraProfile.save`` writes such a file.
"""

from .eld import import_eld
from .eld_file import read_eld_file
from .formulas import import_handheld, import_hdrutils, import_pmrid
from .pmn import import_pmn_law, import_pmn_table
from .sfrn import import_sfrn

__all__ = [
    "import_eld",
    "import_handheld",
    "import_hdrutils",
    "import_pmn_law",
    "import_pmn_table",
    "import_pmrid",
    "import_sfrn",
    "read_eld_file",
]
