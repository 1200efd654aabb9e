#include "command_line.h"

#include <errno.h>
#include <sidelight.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int parse_number(const char *text, long low, long high, long *value) {
  char *end;
  *value = strtol(text, &end, 10);
  return *text != '\0' && *end == '\0' && *value >= low && *value <= high;
}

int parse_real(const char *text, double low, double high, double *value) {
  char *end;
  *value = strtod(text, &end);
  return *text != '\0' && *end == '\0' && *value >= low && *value <= high;
}

int parse_mode(const char *text, int *mode) {
  static const int modes[] = {SIDELIGHT_MODE_OFF, SIDELIGHT_MODE_BASE, SIDELIGHT_MODE_UPDATE};
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    if (strcmp(text, mode_name(modes[i])) == 0) {
      *mode = modes[i];
      return 1;
    }
  }
  return 0;
}

int parse_model_size(const char *text, uint32_t *size) {
  static const char *const names[] = {"default", "small", "medium", "large"};
  for (uint32_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strcmp(text, names[i]) == 0) {
      *size = i;
      return 1;
    }
  }
  return 0;
}

const char *mode_name(int mode) {
  switch (mode) {
  case SIDELIGHT_MODE_OFF:
    return "off";
  case SIDELIGHT_MODE_BASE:
    return "base";
  case SIDELIGHT_MODE_UPDATE:
    return "update";
  default:
    return "unknown";
  }
}

int printed(FILE *f) {
  if (fflush(f) == 0 && !ferror(f))
    return 1;
  fprintf(stderr, "standard output: %s\n", strerror(errno));
  return 0;
}

double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
