# SPDX-License-Identifier: Apache-2.0
"""Numbers from pixels, one home for each: for calibration, inspection and metrics."""
