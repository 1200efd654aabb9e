/* VapourSynth plugin, API 4: sidelight.Filter(clip, ...). README.md says what the arguments mean.
 *
 * One decoder serves all frames. It is set when the filter is made and never changed again, so that frames
 * may come in any order and on any number of threads. */
#include <VSHelper4.h>
#include <VapourSynth4.h>
#include <sidelight.h>

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows and columns of a SidelightPicture. */
enum { MAX_SIZE = 65535, TABLE = 64, MAX_STEP = 65535, MAX_QP = 51 };

typedef struct Filter {
  VSNode *node;
  const VSVideoInfo *vi;
  VSVideoInfo out; /* as vi, of as many bits as the output has */
  SidelightDecoder *decoder;
  SidelightDecoder *pass; /* for frames that get no more than their depth */
  uint32_t layout;
  uint8_t untouched[4]; /* by SidelightPictureType: 1 for frames that pass through */
} Filter;

/* What the caller said. */
typedef struct Arguments {
  const uint8_t *payload, *jpeg;
  size_t payload_size, jpeg_size;
  int by_payload; /* else the base model */
  int skip_binding, carrier;
  uint32_t model_size, strength;
  SidelightCodecParams params;
} Arguments;

/* Where an error goes: the filter is not made. */
typedef struct Call {
  const VSMap *in;
  VSMap *out;
  VSCore *core;
  const VSAPI *api;
} Call;

static int fail(const Call *call, const char *format, ...) {
  char message[1280] = "sidelight: ";
  size_t used = strlen(message);
  va_list list;
  va_start(list, format);
  vsnprintf(message + used, sizeof message - used, format, list);
  va_end(list);
  call->api->mapSetError(call->out, message);
  return 0;
}

/* ---- frames ---- */

static uint32_t picture_type(const VSFrame *frame, const VSAPI *api) {
  int unset = 0;
  const char *type = api->mapGetData(api->getFramePropertiesRO(frame), "_PictType", 0, &unset);
  switch (unset ? 0 : *type) {
  case 'P': return SIDELIGHT_PICTURE_TYPE_P;
  case 'B': return SIDELIGHT_PICTURE_TYPE_B;
  default: return SIDELIGHT_PICTURE_TYPE_IRAP; /* as I, for a decoder that is set already */
  }
}

/* `out`: NULL for a picture that is read only. */
static SidelightPicture picture_of(const Filter *f, const VSFrame *frame, VSFrame *out, const VSAPI *api) {
  const VSVideoInfo *vi = out ? &f->out : f->vi;
  SidelightPicture p;
  memset(&p, 0, sizeof p);
  p.width = (uint32_t)vi->width;
  p.height = (uint32_t)vi->height;
  p.layout = f->layout;
  p.bit_depth = (uint32_t)vi->format.bitsPerSample;
  p.picture_type = picture_type(frame, api);
  for (int i = 0; i < vi->format.numPlanes; i++) {
    /* The library does not write to the picture that it reads. */
    p.data[i] = out ? api->getWritePtr(out, i) : (uint8_t *)api->getReadPtr(frame, i);
    p.stride[i] = api->getStride(out ? out : frame, i);
  }
  return p;
}

static const VSFrame *VS_CC filter_frame(int n, int reason, void *data, void **frame_data,
                                         VSFrameContext *context, VSCore *core, const VSAPI *api) {
  const Filter *f = data;
  (void)frame_data;
  if (reason == arInitial) {
    api->requestFrameFilter(n, f->node, context);
    return NULL;
  }
  if (reason != arAllFramesReady)
    return NULL;
  const VSFrame *frame = api->getFrameFilter(n, f->node, context);
  int untouched = f->untouched[picture_type(frame, api)];
  if (untouched && f->out.format.bitsPerSample == f->vi->format.bitsPerSample)
    return frame;
  VSFrame *filtered = api->newVideoFrame(&f->out.format, f->out.width, f->out.height, frame, core);
  SidelightPicture in = picture_of(f, frame, NULL, api), out = picture_of(f, frame, filtered, api);
  /* Of the decoder's calls the one that several threads may be in. */
  int result = sidelight_decoder_filter_band(untouched ? f->pass : f->decoder, &in, &out, 0, in.height);
  api->freeFrame(frame);
  if (result < 0) {
    char message[256];
    snprintf(message, sizeof message, "sidelight: frame %d: %s", n, sidelight_strerror(result));
    api->setFilterError(message, context);
    api->freeFrame(filtered);
    return NULL;
  }
  return filtered;
}

static void VS_CC filter_free(void *data, VSCore *core, const VSAPI *api) {
  Filter *f = data;
  (void)core;
  sidelight_decoder_close(&f->decoder);
  sidelight_decoder_close(&f->pass);
  api->freeNode(f->node);
  free(f);
}

/* ---- arguments ---- */

static int given(const Call *call, const char *key) {
  return call->api->mapNumElements(call->in, key) > 0;
}

/* `*value` stays as it is where the argument is not given. */
static int read_int(const Call *call, const char *key, int low, int high, int *value) {
  if (!given(call, key))
    return 1;
  int64_t n = call->api->mapGetInt(call->in, key, 0, NULL);
  if (n < low || n > high)
    return high == INT_MAX ? fail(call, "%s is to be at least %d", key, low)
                           : fail(call, "%s is to be %d to %d", key, low, high);
  *value = (int)n;
  return 1;
}

/* NULL where it is not given. */
static const uint8_t *read_bytes(const Call *call, const char *key, size_t *size) {
  if (!given(call, key))
    return NULL;
  *size = (size_t)call->api->mapGetDataSize(call->in, key, 0, NULL);
  return (const uint8_t *)call->api->mapGetData(call->in, key, 0, NULL);
}

/* Which of two words it is, 0 or 1; `otherwise` where it is not given; below 0 on failure. */
static int read_word(const Call *call, const char *key, const char *const words[2], int otherwise) {
  size_t size = 0;
  const uint8_t *word = read_bytes(call, key, &size);
  if (!word)
    return otherwise;
  for (int i = 0; i < 2; i++) {
    if (size == strlen(words[i]) && memcmp(word, words[i], size) == 0)
      return i;
  }
  fail(call, "%s is to be \"%s\" or \"%s\"", key, words[0], words[1]);
  return -1;
}

/* A SidelightModelSize; below 0 on failure. */
static int read_model_size(const Call *call) {
  static const char *const words[] = {"default", "small", "medium", "large"};
  size_t size = 0;
  const uint8_t *word = read_bytes(call, "model_size", &size);
  if (!word)
    return SIDELIGHT_MODEL_SIZE_DEFAULT;
  for (int i = 0; i < 4; i++) {
    if (size == strlen(words[i]) && memcmp(word, words[i], size) == 0)
      return i;
  }
  fail(call, "model_size is to be \"small\", \"medium\" or \"large\"");
  return -1;
}

/* 0 to 1, in the library's steps. */
static int read_strength(const Call *call, uint32_t *strength) {
  double value = given(call, "strength") ? call->api->mapGetFloat(call->in, "strength", 0, NULL) : 1;
  if (!(value >= 0 && value <= 1))
    return fail(call, "strength is to be 0 to 1");
  *strength = (uint32_t)(value * SIDELIGHT_FULL_STRENGTH + 0.5);
  return 1;
}

/* 64 steps of luma's table, and 64 of chroma's if it is another. */
static int read_quant(const Call *call, SidelightCodecParams *params) {
  int count = call->api->mapNumElements(call->in, "quant");
  if (count != TABLE && count != 2 * TABLE)
    return fail(call, "quant is to have 64 or 128 numbers, and has %d", count);
  for (int i = 0; i < count; i++) {
    int64_t step = call->api->mapGetInt(call->in, "quant", i, NULL);
    if (step < 1 || step > MAX_STEP)
      return fail(call, "quant is to have steps of 1 to %d; number %d is %lld", MAX_STEP, i, (long long)step);
    params->quant[i / TABLE][i % TABLE] = (uint16_t)step;
  }
  return 1;
}

/* params->qp, by intra, P and B. */
static int read_qps(const Call *call, SidelightCodecParams *params) {
  int qp = 0;
  if (!read_int(call, "qp", 0, MAX_QP, &qp))
    return 0;
  int of[3] = {qp, qp, qp};
  if (!read_int(call, "qp_i", 0, MAX_QP, &of[0]) || !read_int(call, "qp_b", 0, MAX_QP, &of[2]))
    return 0;
  for (int i = 0; i < 3; i++)
    params->qp[i] = (uint8_t)of[i];
  return 1;
}

/* An argument that would have no effect is most likely a mistake. */
static int refuse(const Call *call, const char *const *keys, const char *why) {
  for (; *keys; keys++) {
    if (given(call, *keys))
      return fail(call, "%s %s", *keys, why);
  }
  return 1;
}

static int read_arguments(const Call *call, Arguments *a) {
  static const char *const codecs[] = {"hevc", "jpeg"}, *const modes[] = {"base", "payload"};
  static const char *const of_hevc[] = {"qp", "qp_i", "qp_b", "carrier", NULL};
  static const char *const of_jpeg[] = {"jpeg", "quant", NULL};
  static const char *const of_base[] = {"qp", "qp_i", "qp_b", "model_size", NULL};
  static const char *const of_payload[] = {"payload", "carrier", NULL};
  static const char *const of_quant[] = {"quant", NULL};
  memset(a, 0, sizeof *a);
  a->payload = read_bytes(call, "payload", &a->payload_size);
  a->jpeg = read_bytes(call, "jpeg", &a->jpeg_size);
  int jpeg = read_word(call, "codec", codecs, given(call, "jpeg") || given(call, "quant"));
  if (jpeg < 0)
    return 0;
  a->params.codec = jpeg ? SIDELIGHT_CODEC_JPEG : SIDELIGHT_CODEC_HEVC;
  a->by_payload = read_word(call, "mode", modes, a->payload || a->jpeg);
  if (a->by_payload < 0)
    return 0;
  if (!refuse(call, jpeg ? of_hevc : of_jpeg, jpeg ? "goes with HEVC" : "goes with JPEG") ||
      !refuse(call, a->by_payload ? of_base : of_payload,
              a->by_payload ? "does not go with a payload, which brings its own"
                            : "goes with mode=\"payload\""))
    return 0;
  if (!a->by_payload && !a->jpeg && given(call, "skip_binding"))
    return fail(call, "skip_binding goes with mode=\"payload\" or jpeg");

  int size = read_model_size(call);
  if (size < 0 || !read_int(call, "carrier", 0, INT_MAX, &a->carrier))
    return 0;
  a->model_size = (uint32_t)size;
  a->skip_binding = !given(call, "carrier") && !a->jpeg; /* nothing to look at */
  if (!read_int(call, "skip_binding", 0, 1, &a->skip_binding) || !read_strength(call, &a->strength))
    return 0;

  if (!jpeg) {
    if (a->by_payload)
      return a->payload ? 1 : fail(call, "there is no payload: give one, or mode=\"base\" and qp");
    if (!given(call, "qp") && !given(call, "qp_i") && !given(call, "qp_b"))
      return fail(call, "the base model for HEVC needs qp");
    return read_qps(call, &a->params);
  }
  if (a->by_payload && !a->payload && !a->jpeg)
    return fail(call, "there is no payload: give one, or the file as jpeg");
  if (!a->jpeg) {
    if (!a->skip_binding)
      return fail(call, "skip_binding=0 needs the file as jpeg");
    return given(call, "quant") ? read_quant(call, &a->params) : fail(call, "JPEG needs jpeg or quant");
  }
  if (!refuse(call, of_quant, "does not go with jpeg, which has its own"))
    return 0;
  int result = sidelight_jpeg_read(a->jpeg, a->jpeg_size, &a->params, NULL);
  return result < 0 ? fail(call, "jpeg: %s", sidelight_strerror(result)) : 1;
}

/* ---- making the filter ---- */

static int check_format(const Call *call, Filter *f) {
  const VSVideoFormat *format = &f->vi->format;
  if (!vsh_isConstantVideoFormat(f->vi))
    return fail(call, "clips of variable format or size are not supported");
  int depth = format->bitsPerSample, w = format->subSamplingW, h = format->subSamplingH;
  int known = format->sampleType == stInteger && (depth == 8 || depth == 10 || depth == 12);
  /* By halvings across and down. */
  static const int layouts[3][2] = {{SIDELIGHT_LAYOUT_I444, SIDELIGHT_LAYOUT_I440},
                                    {SIDELIGHT_LAYOUT_I422, SIDELIGHT_LAYOUT_I420},
                                    {SIDELIGHT_LAYOUT_I411, -1}};
  if (format->colorFamily == cfGray)
    f->layout = SIDELIGHT_LAYOUT_I400;
  else if (format->colorFamily == cfYUV && w <= 2 && h <= 1 && layouts[w][h] >= 0)
    f->layout = (uint32_t)layouts[w][h];
  else
    known = 0;
  if (!known) {
    char name[32] = "";
    call->api->getVideoFormatName(format, name);
    return fail(call, "%s is not supported: YUV 4:2:0, 4:2:2, 4:4:4, 4:4:0, 4:1:1 and gray are, of 8, 10 and 12 bits",
                name);
  }
  if (f->vi->width > MAX_SIZE || f->vi->height > MAX_SIZE)
    return fail(call, "%dx%d is too large: width and height are to be %d at most", f->vi->width,
                f->vi->height, MAX_SIZE);
  return 1;
}

/* The output's format: the clip's, or one of more bits. */
static int set_depth(const Call *call, Filter *f) {
  const VSVideoFormat *format = &f->vi->format;
  int depth = format->bitsPerSample;
  f->out = *f->vi;
  if (!read_int(call, "depth", 0, INT_MAX, &depth))
    return 0;
  if (depth == format->bitsPerSample)
    return 1;
  if (depth < format->bitsPerSample || (depth != 10 && depth != 12 && depth != 16))
    return fail(call, "depth is to be the clip's, %d, or more: 10, 12 or 16", format->bitsPerSample);
  if (!call->api->queryVideoFormat(&f->out.format, format->colorFamily, stInteger, depth, format->subSamplingW,
                                   format->subSamplingH, call->core))
    return fail(call, "there is no such format of %d bits", depth);
  return 1;
}

/* As the SEI message of its carrier, the only way in for which the library looks at a picture. */
static int set_by_carrier(const Call *call, Filter *f, const Arguments *a, int *result) {
  char error[1024] = "";
  if (a->carrier >= f->vi->numFrames)
    return fail(call, "carrier is frame %d, and the clip has %d", a->carrier, f->vi->numFrames);
  uint8_t *message = malloc(sizeof SIDELIGHT_SEI_UUID + a->payload_size);
  if (!message)
    return fail(call, "%s", sidelight_strerror(SIDELIGHT_ERROR_OUT_OF_MEMORY));
  memcpy(message, SIDELIGHT_SEI_UUID, sizeof SIDELIGHT_SEI_UUID);
  memcpy(message + sizeof SIDELIGHT_SEI_UUID, a->payload, a->payload_size);
  const VSFrame *frame = call->api->getFrame(a->carrier, f->node, error, sizeof error);
  if (frame) {
    const uint8_t *const messages[] = {message};
    const size_t sizes[] = {sizeof SIDELIGHT_SEI_UUID + a->payload_size};
    SidelightPicture picture = picture_of(f, frame, NULL, call->api);
    *result = sidelight_decoder_set_sei(f->decoder, &picture, messages, sizes, 1);
    call->api->freeFrame(frame);
  }
  free(message);
  return frame ? 1 : fail(call, "carrier: %s", error);
}

/* ---- the JPEG's own picture ---- */

/* Size and sampling of a JPEG file's picture: of luma's samples, how many share one of chroma's. */
typedef struct Shape {
  int width, height, components, across, down; /* across, down: 0 if they are no whole numbers */
} Shape;

static int big_endian(const uint8_t *p) {
  return p[0] << 8 | p[1];
}

static int ratio(int luma, int chroma) {
  return chroma > 0 && luma % chroma == 0 ? luma / chroma : 0;
}

/* Looks for the frame header; 0 if there is none. What stands between segments is skipped, as decoders do. */
static int read_shape(const uint8_t *jpeg, size_t size, Shape *shape) {
  for (size_t at = 0; at + 4 <= size;) {
    const uint8_t *p = jpeg + at;
    int marker = p[1];
    if (p[0] != 0xFF || marker < 0xC0 || marker == 0xFF || (marker >= 0xD0 && marker <= 0xD9)) {
      at++;
      continue;
    }
    size_t length = (size_t)big_endian(p + 2);
    int is_frame = marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (marker == 0xDA || length + 2 > size - at)
      return 0;
    if (is_frame) {
      int n = length >= 8 ? p[9] : 0;
      if ((n != 1 && n != 3) || length < 8 + 3 * (size_t)n)
        return 0;
      *shape = (Shape){big_endian(p + 7), big_endian(p + 5), n, 1, 1};
      if (n == 3 && p[14] == p[17]) {
        shape->across = ratio(p[11] >> 4, p[14] >> 4);
        shape->down = ratio(p[11] & 15, p[14] & 15);
      } else if (n == 3) {
        shape->across = shape->down = 0;
      }
      return 1;
    }
    at += length < 2 ? 2 : 2 + length;
  }
  return 0;
}

/* Whether a frame says that its range is limited, by either of the property's names. */
static int is_limited(const VSFrame *frame, const VSAPI *api) {
  const VSMap *properties = api->getFramePropertiesRO(frame);
  int unset = 0;
  int64_t range = api->mapGetInt(properties, "_Range", 0, &unset);
  if (!unset)
    return range == 0;
  range = api->mapGetInt(properties, "_ColorRange", 0, &unset);
  return !unset && range == 1;
}

/* That the clip can be what the file was decoded to, as far as it can be told. */
static int check_jpeg(const Call *call, const Filter *f, const Arguments *a) {
  const VSVideoFormat *format = &f->vi->format;
  char name[32] = "", error[1024] = "";
  Shape shape;
  if (!read_shape(a->jpeg, a->jpeg_size, &shape))
    return fail(call, "jpeg: %s", sidelight_strerror(SIDELIGHT_ERROR_CORRUPT));
  if (f->vi->width != shape.width || f->vi->height != shape.height)
    return fail(call, "the clip is %dx%d and the jpeg %dx%d", f->vi->width, f->vi->height, shape.width, shape.height);
  call->api->getVideoFormatName(format, name);
  int gray = format->numPlanes == 1;
  if (format->bitsPerSample != 8 || format->numPlanes != shape.components ||
      (!gray && (1 << format->subSamplingW != shape.across || 1 << format->subSamplingH != shape.down)))
    return fail(call, "the clip's format, %s, is not the jpeg's", name);
  const VSFrame *frame = call->api->getFrame(0, f->node, error, sizeof error);
  if (!frame)
    return fail(call, "frame 0: %s", error);
  int limited = is_limited(frame, call->api);
  call->api->freeFrame(frame);
  return !limited || fail(call, "the clip has limited range, and the jpeg full range");
}

static int set_by_payload(const Call *call, Filter *f, const Arguments *a, SidelightBuffer *extracted) {
  const uint8_t *payload = a->payload;
  size_t size = a->payload_size;
  int result = 0;
  if (!payload) {
    result = sidelight_jpeg_read(a->jpeg, a->jpeg_size, NULL, extracted);
    if (result == 0)
      result = SIDELIGHT_ERROR_NO_PAYLOAD;
    if (result < 0)
      return fail(call, "jpeg: %s", sidelight_strerror(result));
    payload = extracted->data;
    size = extracted->size;
  }
  if (!a->skip_binding && a->params.codec == SIDELIGHT_CODEC_HEVC) {
    if (!set_by_carrier(call, f, a, &result))
      return 0;
  } else
    result = sidelight_decoder_set_payload(f->decoder, payload, size, &a->params);
  if (result < 0)
    return fail(call, "payload: %s", sidelight_strerror(result));
  memset(f->untouched, result == SIDELIGHT_MODE_OFF, sizeof f->untouched);
  return 1;
}

static int set_base_mode(const Call *call, Filter *f, const Arguments *a) {
  static const uint8_t class_of[4] = {0, 0, 1, 2};
  int result = sidelight_decoder_set_mode(f->decoder, SIDELIGHT_MODE_BASE, &a->params);
  if (result < 0)
    return fail(call, "base model: %s", sidelight_strerror(result));
  for (int i = 0; i < 4 && a->params.codec == SIDELIGHT_CODEC_HEVC; i++)
    f->untouched[i] = a->params.qp[class_of[i]] == 0;
  return 1;
}

static int set_decoder(const Call *call, Filter *f) {
  Arguments a;
  if (!check_format(call, f) || !read_arguments(call, &a) || !set_depth(call, f))
    return 0;
  if (a.jpeg && !a.skip_binding && !check_jpeg(call, f, &a))
    return 0;
  SidelightDecoderSettings settings = {0};
  settings.threads = 1; /* VapourSynth has threads, one for each frame */
  settings.skip_binding = (uint32_t)a.skip_binding;
  settings.model_size = a.model_size;
  int result = sidelight_decoder_open(&settings, &f->decoder);
  if (result == 0)
    result = sidelight_decoder_open(&settings, &f->pass);
  if (result == 0)
    result = sidelight_decoder_set_strength(f->decoder, a.strength);
  if (result < 0)
    return fail(call, "%s", sidelight_strerror(result));
  if (!a.by_payload)
    return set_base_mode(call, f, &a);
  SidelightBuffer extracted = {0};
  int ok = set_by_payload(call, f, &a, &extracted);
  sidelight_buffer_unref(&extracted);
  return ok;
}

static void VS_CC filter_create(const VSMap *in, VSMap *out, void *user, VSCore *core, const VSAPI *api) {
  const Call call = {in, out, core, api};
  (void)user;
  Filter *f = calloc(1, sizeof *f);
  if (!f) {
    fail(&call, "%s", sidelight_strerror(SIDELIGHT_ERROR_OUT_OF_MEMORY));
    return;
  }
  f->node = api->mapGetNode(in, "clip", 0, NULL);
  f->vi = api->getVideoInfo(f->node);
  if (!set_decoder(&call, f)) {
    filter_free(f, core, api);
    return;
  }
  VSFilterDependency source = {f->node, rpStrictSpatial};
  api->createVideoFilter(out, "Filter", &f->out, filter_frame, filter_free, fmParallel, &source, 1, f, core);
}

VS_EXTERNAL_API(void) VapourSynthPluginInit2(VSPlugin *plugin, const VSPLUGINAPI *api) {
  api->configPlugin("org.sidelight.filter", "sidelight", "Neural post-filter with side information",
                    VS_MAKE_VERSION(SIDELIGHT_VERSION_MAJOR, SIDELIGHT_VERSION_MINOR),
                    VAPOURSYNTH_API_VERSION, 0, plugin);
  api->registerFunction("Filter",
                        "clip:vnode;payload:data:opt;codec:data:opt;mode:data:opt;"
                        "qp:int:opt;qp_i:int:opt;qp_b:int:opt;quant:int[]:opt;jpeg:data:opt;"
                        "carrier:int:opt;skip_binding:int:opt;model_size:data:opt;"
                        "strength:float:opt;depth:int:opt;",
                        "clip:vnode;", filter_create, NULL, plugin);
}
