/* A loader of GdkPixbuf for JPEGs: the stock one's picture, filtered as the file's payload asks.
 *
 * The stock loader does all that it does without us: sizes, orientation, profiles, errors, files of any kind. Where the
 * file has a payload, its planes are decoded once more, filtered, and put into that picture. Whatever is wrong with a
 * payload leaves the picture as it is. */
#define GDK_PIXBUF_ENABLE_BACKEND
#include "jpeg_planes.h"

#include <gdk-pixbuf/gdk-pixbuf.h>
#include <string.h>

/* The largest file that is gathered. */
#define MAX_BYTES ((guint)1 << 30)

enum { MODE_PAYLOAD, MODE_BASE, MODE_OFF };

/* What GdkPixbuf asked for, and the file as it comes. */
typedef struct Load {
  GdkPixbufModuleSizeFunc size_func;
  GdkPixbufModulePreparedFunc prepared_func;
  GdkPixbufModuleUpdatedFunc updated_func;
  gpointer user_data;
  GByteArray *bytes;
  gboolean scaled; /* whether less than the whole picture is wanted */
} Load;

static int mode_wanted(void) {
  const char *text = g_getenv("SIDELIGHT_PIXBUF_MODE");
  if (text && strcmp(text, "base") == 0)
    return MODE_BASE;
  if (text && strcmp(text, "off") == 0)
    return MODE_OFF;
  return MODE_PAYLOAD;
}

/* Sets the decoder as the file asks: above 0 if there is something to filter. */
static int choose(SidelightDecoder *decoder, int mode, const uint8_t *jpeg, size_t size) {
  SidelightCodecParams params;
  SidelightBuffer payload = {0};
  int result = sidelight_jpeg_read(jpeg, size, &params, mode == MODE_BASE ? NULL : &payload);
  if (mode == MODE_BASE && result >= 0) {
    result = sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_BASE, &params);
    result = result == 0 ? SIDELIGHT_MODE_BASE : result;
  } else if (result > 0) {
    result = sidelight_decoder_set_payload(decoder, payload.data, payload.size, &params);
    if (result < 0)
      g_message("sidelight: payload ignored: %s; picture is unfiltered", sidelight_strerror(result));
  }
  sidelight_buffer_unref(&payload);
  return result;
}

/* The file's planes, filtered, as RGB or gray; 0 where the picture is to stay as it is. */
static int filtered_image(const uint8_t *jpeg, size_t size, Image *image) {
  Planes decoded = {0}, filtered = {0};
  SidelightDecoder *decoder = NULL;
  int mode = mode_wanted();
  int ok = mode != MODE_OFF && sidelight_decoder_open(NULL, &decoder) == 0 && choose(decoder, mode, jpeg, size) > 0 &&
           jpeg_decode_planes("sidelight", jpeg, size, &decoded) && planes_like(&decoded, &filtered) &&
           sidelight_decoder_filter(decoder, &decoded.picture, &filtered.picture) == 0 &&
           planes_to_image(&filtered, image);
  planes_free(&filtered);
  planes_free(&decoded);
  sidelight_decoder_close(&decoder);
  return ok;
}

/* Puts the filtered picture in place of the decoded one. */
static void filter(GdkPixbuf *pixbuf, const GByteArray *bytes) {
  Image image = {0};
  if (gdk_pixbuf_get_n_channels(pixbuf) != 3 || !filtered_image(bytes->data, bytes->len, &image))
    return;
  if ((int)image.width == gdk_pixbuf_get_width(pixbuf) && (int)image.height == gdk_pixbuf_get_height(pixbuf)) {
    size_t stride = (size_t)gdk_pixbuf_get_rowstride(pixbuf);
    guchar *pixels = gdk_pixbuf_get_pixels(pixbuf);
    for (size_t y = 0; y < image.height; y++) {
      const uint8_t *from = image.samples + y * image.width * (size_t)image.channels;
      guchar *to = pixels + y * stride;
      if (image.channels == 3)
        memcpy(to, from, 3 * (size_t)image.width);
      else
        for (size_t x = 0; x < image.width; x++)
          memset(to + 3 * x, from[x], 3);
    }
  }
  image_free(&image);
}

/* The stock loader tells the file's size: what is wanted of it is asked for, and told. */
static void on_size(GdkPixbufLoader *stock, int width, int height, gpointer data) {
  Load *load = data;
  int w = width, h = height;
  if (load->size_func)
    load->size_func(&w, &h, load->user_data);
  load->scaled = w != width || h != height;
  if (load->scaled)
    gdk_pixbuf_loader_set_size(stock, w, h);
}

/* The picture, or as much of it as there is; `*good` says whether that is all. With `end` a file that is cut off
 * counts as whole, as it does for the stock loader where it reads files itself. */
static GdkPixbuf *decode(Load *load, gboolean end, gboolean *good, GError **error) {
  static const guchar eoi[2] = {0xff, 0xd9};
  GdkPixbufLoader *stock = gdk_pixbuf_loader_new_with_type("jpeg", error);
  *good = stock != NULL;
  if (!stock)
    return NULL;
  g_signal_connect(stock, "size-prepared", G_CALLBACK(on_size), load);
  *good = gdk_pixbuf_loader_write(stock, load->bytes->data, load->bytes->len, error) &&
          (!end || gdk_pixbuf_loader_write(stock, eoi, sizeof eoi, error));
  /* It is to be closed all the same; the first error counts. */
  if (!gdk_pixbuf_loader_close(stock, *good ? error : NULL))
    *good = FALSE;
  GdkPixbuf *pixbuf = gdk_pixbuf_loader_get_pixbuf(stock);
  if (pixbuf) {
    g_object_ref(pixbuf);
    if (*good && !load->scaled)
      filter(pixbuf, load->bytes);
  } else if (*good) {
    g_set_error_literal(error, GDK_PIXBUF_ERROR, GDK_PIXBUF_ERROR_CORRUPT_IMAGE, "no picture in the JPEG");
    *good = FALSE;
  }
  g_object_unref(stock);
  return pixbuf;
}

static gpointer begin_load(GdkPixbufModuleSizeFunc size_func, GdkPixbufModulePreparedFunc prepared_func,
                           GdkPixbufModuleUpdatedFunc updated_func, gpointer user_data, GError **error) {
  (void)error;
  Load *load = g_new0(Load, 1);
  *load = (Load){size_func, prepared_func, updated_func, user_data, g_byte_array_new(), FALSE};
  return load;
}

static gboolean load_increment(gpointer context, const guchar *data, guint size, GError **error) {
  Load *load = context;
  if (size > MAX_BYTES - load->bytes->len) {
    g_set_error_literal(error, GDK_PIXBUF_ERROR, GDK_PIXBUF_ERROR_INSUFFICIENT_MEMORY, "a JPEG of more than 1 GiB");
    return FALSE;
  }
  g_byte_array_append(load->bytes, data, size);
  return TRUE;
}

static gboolean stop_load(gpointer context, GError **error) {
  Load *load = context;
  gboolean good;
  GdkPixbuf *pixbuf = decode(load, FALSE, &good, error);
  if (pixbuf) {
    if (load->prepared_func)
      load->prepared_func(pixbuf, NULL, load->user_data);
    if (load->updated_func)
      load->updated_func(pixbuf, 0, 0, gdk_pixbuf_get_width(pixbuf), gdk_pixbuf_get_height(pixbuf), load->user_data);
    g_object_unref(pixbuf);
  }
  g_byte_array_unref(load->bytes);
  g_free(load);
  return good;
}

static GdkPixbuf *load_file(FILE *file, GError **error) {
  guchar part[16384];
  size_t size;
  Load load = {.bytes = g_byte_array_new()};
  gboolean good = TRUE;
  while (good && (size = fread(part, 1, sizeof part, file)) > 0)
    good = load_increment(&load, part, (guint)size, error);
  GdkPixbuf *pixbuf = good ? decode(&load, TRUE, &good, error) : NULL;
  if (!good)
    g_clear_object(&pixbuf);
  g_byte_array_unref(load.bytes);
  return pixbuf;
}

/* GdkPixbuf looks these two up by name. */
G_MODULE_EXPORT void fill_vtable(GdkPixbufModule *module);
G_MODULE_EXPORT void fill_info(GdkPixbufFormat *info);

G_MODULE_EXPORT void fill_vtable(GdkPixbufModule *module) {
  module->load = load_file;
  module->begin_load = begin_load;
  module->stop_load = stop_load;
  module->load_increment = load_increment;
}

G_MODULE_EXPORT void fill_info(GdkPixbufFormat *info) {
  static const GdkPixbufModulePattern signature[] = {{"\xff\xd8", NULL, 100}, {NULL, NULL, 0}};
  static const gchar *mime_types[] = {"image/jpeg", NULL};
  static const gchar *extensions[] = {"jpeg", "jpe", "jpg", NULL};
  /* Another name than the stock loader's, which is asked for by its own. */
  info->name = "sidelight-jpeg";
  info->signature = (GdkPixbufModulePattern *)signature;
  info->description = "JPEG, filtered by Sidelight";
  info->mime_types = (gchar **)mime_types;
  info->extensions = (gchar **)extensions;
  info->flags = GDK_PIXBUF_FORMAT_THREADSAFE;
  info->license = "MIT";
}
