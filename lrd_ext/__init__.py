# SPDX-License-Identifier: Apache-2.0
"""Low-light raw noise synthesis and modeling."""

__version__ = "0.1.0"
