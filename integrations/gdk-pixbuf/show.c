/* Loads a picture as viewers do and writes it as a PPM, for test.sh: show IN OUT.ppm [BYTES], where BYTES are handed
 * over at a time; 0 or none: GdkPixbuf reads the file. Prints "NAME=VALUE" of what the picture tells besides. */
#include <gdk-pixbuf/gdk-pixbuf.h>
#include <stdio.h>
#include <stdlib.h>

static GdkPixbuf *in_pieces(const char *path, gsize step, GError **error) {
  gchar *data = NULL;
  gsize size = 0;
  if (!g_file_get_contents(path, &data, &size, error))
    return NULL;
  GdkPixbufLoader *loader = gdk_pixbuf_loader_new();
  gboolean good = TRUE;
  for (gsize at = 0; good && at < size; at += step)
    good = gdk_pixbuf_loader_write(loader, (guchar *)data + at, MIN(step, size - at), error);
  good = gdk_pixbuf_loader_close(loader, good ? error : NULL) && good;
  GdkPixbuf *pixbuf = good ? gdk_pixbuf_loader_get_pixbuf(loader) : NULL;
  if (pixbuf)
    g_object_ref(pixbuf);
  g_object_unref(loader);
  g_free(data);
  return pixbuf;
}

int main(int argc, char **argv) {
  if (argc < 3)
    return 1;
  GError *error = NULL;
  gsize step = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
  GdkPixbuf *pixbuf = step ? in_pieces(argv[1], step, &error) : gdk_pixbuf_new_from_file(argv[1], &error);
  if (!pixbuf) {
    fprintf(stderr, "show: %s\n", error ? error->message : "no picture");
    g_clear_error(&error);
    return 1;
  }
  FILE *file = fopen(argv[2], "wb");
  if (!file)
    return 1;
  int width = gdk_pixbuf_get_width(pixbuf), height = gdk_pixbuf_get_height(pixbuf);
  fprintf(file, "P6\n%d %d\n255\n", width, height);
  GdkPixbuf *rgb = gdk_pixbuf_get_has_alpha(pixbuf)
                       ? gdk_pixbuf_composite_color_simple(pixbuf, width, height, GDK_INTERP_NEAREST, 255, 8, ~0u, ~0u)
                       : g_object_ref(pixbuf);
  for (int y = 0; y < height; y++)
    fwrite(gdk_pixbuf_read_pixels(rgb) + (size_t)y * (size_t)gdk_pixbuf_get_rowstride(rgb), 3, (size_t)width, file);
  g_object_unref(rgb);
  static const char *const names[] = {"orientation", "icc-profile"};
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
    const gchar *value = gdk_pixbuf_get_option(pixbuf, names[i]);
    if (value)
      printf("%s=%s\n", names[i], value);
  }
  g_object_unref(pixbuf);
  return fclose(file) != 0;
}
