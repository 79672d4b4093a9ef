# SPDX-License-Identifier: Apache-2.0
"""The commands of the program `lrd`: each module adds its parser and runs what was asked for."""
