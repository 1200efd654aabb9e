#include "jpeg_errors.h"

static void print_message(j_common_ptr cinfo) {
  char text[JMSG_LENGTH_MAX];
  cinfo->err->format_message(cinfo, text);
  fprintf(stderr, "%s: %s\n", ((ErrorManager *)cinfo->err)->name, text);
}

static void on_error(j_common_ptr cinfo) {
  print_message(cinfo);
  longjmp(((ErrorManager *)cinfo->err)->out, 1);
}

struct jpeg_error_mgr *error_manager(ErrorManager *manager, const char *name) {
  jpeg_std_error(&manager->base);
  manager->base.error_exit = on_error;
  manager->base.output_message = print_message;
  manager->name = name;
  return &manager->base;
}
