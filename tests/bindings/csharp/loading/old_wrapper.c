/* The native half of another version of the assembly. */
#include <stdint.h>

void SWIGRegisterExceptionCallbacks_Native(void) {}
void SWIGRegisterExceptionArgumentCallbacks_Native(void) {}

uint32_t CSharp_LeoAMfInterop_LibraryHeaderVersion___(void) {
  return 9;
}
