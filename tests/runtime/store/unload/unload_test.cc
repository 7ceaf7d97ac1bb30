// Loads a library with the cipher in it, uses it from two threads, unloads it, a hundred times: no mapping
// and no thread key may stay, whether the host has an OpenSSL of its own or not. usage: unload_test LIBRARY
#include <dlfcn.h>
#include <pthread.h>

#include <condition_variable>
#include <cstdio>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>

namespace {

int fail(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  return 1;
}

bool is_mapped(const std::string& name) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.find(name) != std::string::npos) return true;
  return false;
}

// Keys are given out from the lowest free one.
pthread_key_t next_thread_key() {
  pthread_key_t key = 0;
  (void)pthread_key_create(&key, nullptr);
  (void)pthread_key_delete(key);
  return key;
}

// Has used the library, outlives it, and then ends.
class Bystander {
 public:
  explicit Bystander(int (*use)())
      : thread_([this, use] {
          const int used = use();
          std::unique_lock lock(mutex_);
          used_ = used == 1;
          ready_ = true;
          wake_.notify_all();
          wake_.wait(lock, [this] { return end_; });
        }) {}
  bool used() {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return ready_; });
    return used_;
  }
  ~Bystander() {
    {
      const std::lock_guard lock(mutex_);
      end_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ready_ = false;
  bool used_ = false;
  bool end_ = false;
  std::thread thread_;
};

int cycle(const std::string& library) {
  void* module = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!module) return fail(dlerror());
  const auto use = reinterpret_cast<int (*)()>(dlsym(module, "cipher_module_use"));
  if (!use || use() != 1) return fail("the cipher does not work");
  Bystander bystander(use);
  if (!bystander.used()) return fail("the cipher does not work in another thread");
  if (dlclose(module) != 0) return fail(dlerror());
  if (is_mapped(library)) return fail("still mapped after dlclose");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return fail("usage: unload_test LIBRARY");
  pthread_key_t key = 0;
  for (int i = 0; i < 100; ++i) {
    // A host with an OpenSSL whose symbols are in everybody's way. Without one the test is half as hard.
    if (i == 50) (void)dlopen("libcrypto.so.3", RTLD_NOW | RTLD_GLOBAL);
    if (const int result = cycle(argv[1]); result != 0) return result;
    if (i == 1) key = next_thread_key();
    if (i > 1 && i < 50 && next_thread_key() != key) return fail("thread keys pile up");
  }
  return 0;
}
