/* libjpeg's errors in WebAssembly: the host gets the message and throws an exception through the program, which is
 * not to be called again. */
#include "jpeg_errors.h"

#include <jerror.h>

#define IMPORT(name) __attribute__((import_module("host"), import_name(name)))

/* Most scans of a file: a small one with millions would take hours. */
#define MAX_SCANS 1000

IMPORT("fail") _Noreturn void host_fail(const char *message);

static int scans;

static void on_error(j_common_ptr cinfo) {
  char text[JMSG_LENGTH_MAX];
  cinfo->err->format_message(cinfo, text);
  host_fail(text);
}

static void on_warning(j_common_ptr cinfo) {
  char text[JMSG_LENGTH_MAX];
  cinfo->err->format_message(cinfo, text);
  fprintf(stderr, "%s: %s\n", ((ErrorManager *)cinfo->err)->name, text);
}

/* libjpeg tells of each scan as it begins, and counts warnings, below 0, itself. */
static void on_message(j_common_ptr cinfo, int level) {
  struct jpeg_error_mgr *err = cinfo->err;
  if (level >= 0) {
    if (err->msg_code == JTRC_SOS && ++scans > MAX_SCANS)
      host_fail("more than 1000 scans");
  } else if (err->num_warnings++ == 0) {
    err->output_message(cinfo);
  }
}

struct jpeg_error_mgr *error_manager(ErrorManager *manager, const char *name) {
  scans = 0;
  jpeg_std_error(&manager->base);
  manager->base.error_exit = on_error;
  manager->base.emit_message = on_message;
  manager->base.output_message = on_warning;
  manager->name = name;
  return &manager->base;
}
