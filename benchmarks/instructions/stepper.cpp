// SPDX-License-Identifier: Apache-2.0
// Counts the instructions of one function's first call by single steps, for those that valgrind does not know:
// stepper ADDRESS PROGRAM ARGUMENT... The program is linked to fixed addresses; x86-64 Linux.
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace {

user_regs_struct registers_of(pid_t child) {
  user_regs_struct registers;
  ptrace(PTRACE_GETREGS, child, nullptr, &registers);
  return registers;
}

// False where the child has ended.
bool resume(pid_t child, __ptrace_request how) {
  int status = 0;
  ptrace(how, child, nullptr, nullptr);
  waitpid(child, &status, 0);
  return WIFSTOPPED(status);
}

// Let the child come to an address.
bool reach(pid_t child, unsigned long address) {
  void* const at = reinterpret_cast<void*>(address);
  const long code = ptrace(PTRACE_PEEKTEXT, child, at, nullptr);
  ptrace(PTRACE_POKETEXT, child, at, (code & ~0xFFl) | 0xCC);
  if (!resume(child, PTRACE_CONT)) return false;
  ptrace(PTRACE_POKETEXT, child, at, code);
  user_regs_struct registers = registers_of(child);
  registers.rip = address;
  ptrace(PTRACE_SETREGS, child, nullptr, &registers);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::fprintf(stderr, "usage: stepper ADDRESS PROGRAM ARGUMENT...\n"), 2;
  const unsigned long entry = std::strtoul(argv[1], nullptr, 16);
  const pid_t child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    execv(argv[2], argv + 2);
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFSTOPPED(status) || !reach(child, entry)) return std::fprintf(stderr, "stepper: never reached\n"), 1;
  const unsigned long long stack = registers_of(child).rsp;
  long steps = 0;
  while (resume(child, PTRACE_SINGLESTEP)) {
    ++steps;
    if (registers_of(child).rsp > stack) break;  // it has returned
  }
  kill(child, SIGKILL);
  std::printf("%ld\n", steps);
}
