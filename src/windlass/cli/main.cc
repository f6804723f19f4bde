// The thin command: answers --version itself and opens libwindlass (and with it Arrow) only when
// there is work to do.
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>

namespace {

using MainFunction = int (*)(int, char**);

std::string OwnFolder() {
  char path[PATH_MAX];
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path - 1);
  if (size <= 0) return ".";
  const std::string file(path, static_cast<std::size_t>(size));
  return file.substr(0, file.rfind('/'));
}

// A descriptor that the caller closed would be given to the first file opened, and what is printed
// would end in that file. Opened the wrong way round, it stays taken and fails whoever uses it.
void OccupyStandardDescriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) == -1 && errno == EBADF) {
      ::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);  // the lowest free: this one
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  OccupyStandardDescriptors();
  std::signal(SIGXFSZ, SIG_IGN);  // a file beyond the user's limit is an error of write()
  if (argc == 2 && std::strcmp(argv[1], "--version") == 0) {
    if (std::puts("windlass " WINDLASS_VERSION) < 0 || std::fflush(stdout) != 0) {
      std::fputs("windlass: cannot write to standard output\n", stderr);
      return 1;
    }
    return 0;
  }
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    std::fputs("windlass: this build needs a processor with AVX2 and FMA (x86-64-v3)\n", stderr);
    return 2;
  }
#endif
  // RTLD_LOCAL: Arrow exports hundreds of symbols of libraries that others may bring as well.
  // RTLD_LAZY: of Arrow's and Parquet's functions a run calls a few hundred, and looking all of
  // them up takes a millisecond; that none is missing was the linker's business (-z defs).
  const std::string library = OwnFolder() + "/../lib/libwindlass.so";
  void* handle = ::dlopen(library.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (handle == nullptr) {
    std::fprintf(stderr, "windlass: %s\n", ::dlerror());
    return 1;
  }
  const auto run = reinterpret_cast<MainFunction>(::dlsym(handle, "windlass_main"));
  if (run == nullptr) {
    std::fprintf(stderr, "windlass: %s is not a Windlass library\n", library.c_str());
    return 1;
  }
  return run(argc, argv);
}
