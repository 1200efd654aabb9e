/* libjpeg's errors without exit(): the message is printed and the caller's setjmp returns. */
#ifndef JPEG_ERRORS_H
#define JPEG_ERRORS_H

#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>

/* After stdio and stddef, which it needs. */
#include <jpeglib.h>

typedef struct ErrorManager {
  struct jpeg_error_mgr base;
  jmp_buf out;
  const char *name;
} ErrorManager;

/* For the `err` of a libjpeg object; `name` is for messages. */
struct jpeg_error_mgr *error_manager(ErrorManager *manager, const char *name);

#endif
