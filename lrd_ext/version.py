# SPDX-License-Identifier: Apache-2.0
"""The version of the package, the one place it stands in."""

__version__ = "0.1.0"
