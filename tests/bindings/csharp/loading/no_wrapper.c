/* Has the name of the native half, and nothing of it. */
int leoam_no_wrapper = 0;
