# SPDX-License-Identifier: Apache-2.0
"""Mutated files against everything in lrd_ext that reads a file; ``make fuzz SECONDS=60``.

Each input follows from the seed, its kind and its number alone, so that a finding is made again by
``PYTHONPATH=tools python -m fuzz --again KIND NUMBER``.
"""
