// What the library gives back when it is unloaded.
namespace __gnu_cxx {
void __freeres();
}

namespace {

// The private copy of the C++ run-time takes memory for exceptions when it is loaded, and returns it only when it is
// told to: 72 KiB that each loading and unloading would leave to the host.
[[gnu::destructor]] void give_back() {
  __gnu_cxx::__freeres();
}

}  // namespace
