# SPDX-License-Identifier: Apache-2.0
"""LowLightNoise in other libraries' pipelines: modules torchvision, kornia and deepinv, imported by name.

Each needs its library, which lrd_ext does not install.
"""
