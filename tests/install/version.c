#include <leoam/leoam.h>
#include <stdio.h>

int main(void) {
  leoam_instance* instance = NULL;
  if (leoam_instance_create(NULL, &instance, NULL) != LEOAM_OK) return 1;
  const uint32_t version = leoam_version();
  printf("LeoAM %u.%u\n", (unsigned)(version >> 16), (unsigned)(version >> 8 & 255));
  return leoam_instance_release(instance);
}
