# SPDX-License-Identifier: Apache-2.0
"""What the site makes of the code when it is built: pages of the API, the program and cameras; drawings."""
