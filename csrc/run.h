// SPDX-License-Identifier: Apache-2.0
// What the op (ops.cpp) shares with the straight call (module.cpp), which knows nothing of torch.
#pragma once

#include "request.h"

namespace lrd {

// Take in a table of so many rows and columns: which parts it has follows from its width. False if none is so wide.
bool take_table(const void* table, int64_t rows, int64_t columns, Request& q);

// Carry out a call on the CPU, on torch's threads. Throws std::runtime_error where the table holds what is no code of a
// read model.
void run_on_cpu(const Request& q);

}  // namespace lrd
