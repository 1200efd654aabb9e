/* Codes a video with x265, lets Sidelight adapt to each stretch of it, and writes the HEVC stream with the
 * payloads in it.
 *
 *   hevc_encode [options] IN.y4m|- OUT.hevc|-
 *
 * Any HEVC decoder shows the stream as if the payloads were not there; hevc_decode shows it better.
 *
 * A period is an IRAP picture and what is shown up to the next one; `--shot` periods share a payload,
 * which stands at each of their IRAP pictures, so that decoding can start at any of them. An update holds
 * in the order of output: pictures that lead an IRAP picture (coded behind it, shown before it) belong
 * to the period before. What they need is known when the next IRAP picture has been decoded: so much of
 * the coded stream is kept in memory, and of the pictures no more than `--pictures` and the shot's IRAP
 * pictures. */
#include "command_line.h"
#include "picture_io.h"
#include "video_io.h"

#include <getopt.h>
#include <libavcodec/avcodec.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <x265.h>

#define MAX_SHOT 1024
#define MAX_PICTURES 4096
#define MAX_EXTRA 32

typedef struct Options {
  const char *qp, *crf, *preset, *keyint;
  const char *extra[MAX_EXTRA];
  int extras;
  size_t shot, pictures;
  double doubling; /* dB that twice the rate buys; 0: Sidelight's estimate */
  int threads;
  int no_payload;
  SidelightEncoderSettings encoder;
  const char *in, *out;
} Options;

static const char usage[] =
    "usage: hevc_encode [options] IN.y4m|- OUT.hevc|-\n"
    "  --qp N | --crf N                 x265's rate control (default --qp 32)\n"
    "  --preset NAME                    x265's preset (default medium)\n"
    "  --keyint N                       most pictures from one IRAP picture to the next (default 250)\n"
    "  --x265 NAME=VALUE                any other option of libx265; may be repeated. Not those that leave out or\n"
    "                                   halve pictures, or wait for analysis data of other programs; range=\n"
    "                                   says what the samples are, and converts none\n"
    "  --no-update                      no training: ask for the base model at most\n"
    "  --no-payload                     write the stream alone\n"
    "  --model-size small|medium|large  of the base model (default medium)\n"
    "  --shot N                         IRAP periods that share a payload (default 1)\n"
    "  --pictures N                     most pictures that a payload is made from (default 32)\n"
    "  --slope DB                       what twice the rate buys here; 0 to assume it (default 0)\n"
    "  --effort N                       what training may cost, 1 to 9 (default 5)\n"
    "  --steps N                        training steps, 0 = by effort and size (default 0)\n"
    "  --threads N                      threads, 0 = one for each core (default 0)\n";

static int parse(int argc, char **argv, Options *o);

static int out_of_memory(void) {
  fprintf(stderr, "out of memory\n");
  return 0;
}

/* Room for one more in an array of `n`, a power of two or none of which makes it grow. */
static int grow(void **array, size_t n, size_t element) {
  if (n & (n - 1) || (n > 0 && n < 16))
    return 1;
  void *larger = realloc(*array, (n ? 2 * n : 16) * element);
  if (!larger)
    return out_of_memory();
  *array = larger;
  return 1;
}

/* A picture on its way: read, then coded, then decoded. */
typedef struct Picture {
  int64_t index; /* in the order of output */
  VideoPicture original;
  AVFrame *decoded;
  double qp;
  size_t bytes;
} Picture;

/* A coded picture that waits for its payload, or for those before it. */
typedef struct Unit {
  uint8_t *data;
  size_t size;
  int irap;
} Unit;

/* Periods that share a payload. */
typedef struct Shot {
  int64_t first;      /* index of its first picture */
  size_t count;       /* pictures */
  uint64_t bytes;     /* of these, coded */
  double qp[3];       /* sums, by class of picture types */
  size_t of_class[3]; /* pictures */
  AVFrame *carriers[MAX_SHOT];
  size_t periods;
  Picture sample[MAX_PICTURES + 1];
  size_t sampled;
} Shot;

/* Sums over shots, weighted with their pictures. */
typedef struct Total {
  uint64_t pictures, bytes, sent;
  double decoded[3], base[3], payload[3];
} Total;

typedef struct Job {
  const Options *o;
  FILE *summary;
  Y4mReader in;
  OutputFile out;

  const x265_api *api;
  x265_param *param;
  x265_encoder *x265;
  AVCodecContext *decoder;
  AVPacket *packet;
  AVFrame *frame;
  SidelightEncoder *encoder;
  SidelightStream *stream;

  Picture *waiting; /* read, not yet decoded, from `shown` on */
  size_t waits;
  int64_t shown, coded; /* pictures decoded, pictures read */
  Unit *units;   /* coded, not yet written */
  size_t queued;
  Shot *shot;
  Bytes *payloads;       /* of every IRAP picture so far; cleared where nothing is sent */
  size_t bound, written;     /* IRAP pictures: that have one, that are in the file */
  Total total;
} Job;

static void picture_free(Picture *p) {
  video_picture_free(&p->original);
  av_frame_free(&p->decoded);
}

/* ---- what is sent ---- */

static void print_title(const Job *job) {
  fprintf(job->summary, "%8s %8s %9s %10s  %9s %9s %9s  %-6s %s\n", "first", "pictures", "bytes",
          "QP I/P/B", "PSNR-Y", "base", "sent", "mode", "payload");
}

static void print_shot(Job *job, const Shot *shot, const SidelightCodecParams *params, const SidelightReport *r) {
  char qp[16];
  snprintf(qp, sizeof qp, "%d/%d/%d", params->qp[0], params->qp[1], params->qp[2]);
  fprintf(job->summary, "%8lld %8zu %9llu %10s  %9.3f %9.3f %9.3f  %-6s %u", (long long)shot->first,
          shot->count, (unsigned long long)shot->bytes, qp, r->psnr_decoded, r->psnr_base,
          r->psnr_payload, mode_name((int)r->mode), r->mode == SIDELIGHT_MODE_OFF ? 0 : r->payload_bytes);
  if (r->mode != SIDELIGHT_MODE_OFF && shot->periods > 1)
    fprintf(job->summary, " x %zu", shot->periods);
  fputc('\n', job->summary);
  fflush(job->summary);

  Total *t = &job->total;
  t->pictures += shot->count;
  t->bytes += shot->bytes;
  double n = (double)shot->count;
  for (int i = 0; i < 3; i++) {
    t->decoded[i] += n * (i ? r->psnr_chroma_decoded[i - 1] : r->psnr_decoded);
    t->base[i] += n * (i ? r->psnr_chroma_base[i - 1] : r->psnr_base);
    t->payload[i] += n * (i ? r->psnr_chroma_payload[i - 1] : r->psnr_payload);
  }
}

static void print_total(const Job *job) {
  const Total *t = &job->total;
  const VideoFormat *v = &job->in.format;
  double n = (double)t->pictures, seconds = n * v->scale / v->rate;
  fprintf(job->summary, "%llu pictures, %.1f kbit/s, payloads %.2f kbit/s; PSNR-Y %.3f, base %.3f, sent %.3f",
          (unsigned long long)t->pictures, 8e-3 * (double)t->bytes / seconds,
          8e-3 * (double)t->sent / seconds, t->decoded[0] / n, t->base[0] / n, t->payload[0] / n);
  if (v->layout != SIDELIGHT_LAYOUT_I400)
    fprintf(job->summary, "; Cb %.3f, sent %.3f; Cr %.3f, sent %.3f", t->decoded[1] / n,
            t->payload[1] / n, t->decoded[2] / n, t->payload[2] / n);
  fputc('\n', job->summary);
}

/* Writes the units that the stream has, each IRAP picture with its payload. */
static int write_ready(Job *job) {
  SidelightAccessUnit unit;
  int result;
  while ((result = sidelight_stream_next(job->stream, &unit)) == 1) {
    Bytes *payload = NULL;
    if (unit.irap && job->written < job->bound)
      payload = &job->payloads[job->written++];
    if (!payload || !payload->data) {
      fwrite(unit.data, 1, unit.size, job->out.stream);
      continue;
    }
    SidelightBuffer with = {0};
    result = sidelight_stream_rewrite(job->stream, payload->data, payload->size, &with);
    if (result < 0)
      break;
    fwrite(with.data, 1, with.size, job->out.stream);
    job->total.sent += with.size - unit.size;
    sidelight_buffer_unref(&with);
    free(payload->data);
    payload->data = NULL;
  }
  return result;
}

/* Moves coded units to the file: those of `periods` IRAP pictures, the last of which may stay in the stream
 * until the next one comes; all if `end`. */
static int write_units(Job *job, size_t periods, int end) {
  size_t taken = 0, begun = 0;
  int result = 0;
  for (; result >= 0 && taken < job->queued; taken++) {
    Unit *u = &job->units[taken];
    if (u->irap && !end && begun == periods)
      break;
    begun += (size_t)u->irap;
    result = sidelight_stream_push(job->stream, u->data, u->size);
    free(u->data);
    if (result >= 0)
      result = write_ready(job);
  }
  job->queued -= taken;
  memmove(job->units, job->units + taken, job->queued * sizeof *job->units);
  if (result >= 0 && end) {
    result = sidelight_stream_push(job->stream, (const uint8_t *)"", 0);
    if (result >= 0)
      result = write_ready(job);
  }
  if (result < 0)
    fprintf(stderr, "stream: %s\n", sidelight_strerror(result));
  return result >= 0 && output_good(&job->out);
}

/* A copy of the payload for each IRAP picture of the shot, bound to it; none if it is off: decoders show
 * a period without a payload as it is. */
static int bind_copies(Job *job, const Shot *shot, const SidelightBuffer *payload, uint32_t mode) {
  for (size_t i = 0; i < shot->periods; i++) {
    if (!grow((void **)&job->payloads, job->bound, sizeof *job->payloads))
      return 0;
    Bytes *copy = &job->payloads[job->bound];
    memset(copy, 0, sizeof *copy);
    if (mode != SIDELIGHT_MODE_OFF) {
      SidelightPicture carrier;
      picture_of_frame(shot->carriers[i], &carrier);
      copy->size = payload->size;
      copy->data = malloc(payload->size);
      if (!copy->data)
        return out_of_memory();
      memcpy(copy->data, payload->data, payload->size);
      int result = sidelight_payload_bind(copy->data, copy->size, &carrier);
      if (result < 0) {
        fprintf(stderr, "payload: %s\n", sidelight_strerror(result));
        free(copy->data);
        return 0;
      }
    }
    job->bound++;
  }
  return 1;
}

/* The heart of the example: from the pictures of a shot to its payload. */
static int adapt(Job *job, Shot *shot, SidelightBuffer *payload, SidelightCodecParams *params,
                 SidelightReport *report) {
  static SidelightPicture original[MAX_PICTURES], decoded[MAX_PICTURES];
  for (size_t i = 0; i < shot->sampled; i++) {
    original[i] = shot->sample[i].original.picture;
    picture_of_frame(shot->sample[i].decoded, &decoded[i]);
  }
  memset(params, 0, sizeof *params);
  params->codec = SIDELIGHT_CODEC_HEVC;
  for (int i = 0; i < 3; i++) {
    if (shot->of_class[i] > 0)
      params->qp[i] = (uint8_t)fmin(fmax(round(shot->qp[i] / (double)shot->of_class[i]), 1), 51);
  }
  /* Each byte is paid for as often as the payload is sent. */
  double bytes = (double)shot->bytes / (double)shot->periods;
  params->coded_bytes = (uint64_t)bytes;
  params->slope_db_per_byte = bytes > 0 ? job->o->doubling / M_LN2 / bytes : 0;
  if (job->o->no_payload)
    params->slope_db_per_byte = 1e9; /* no byte pays */
  params->carriage_bytes = SIDELIGHT_NAL_CARRIAGE_BYTES;
  return sidelight_encoder_encode(job->encoder, original, decoded, shot->sampled, params, payload, report);
}

static void shot_clear(Shot *shot) {
  for (size_t i = 0; i < shot->sampled; i++)
    picture_free(&shot->sample[i]);
  for (size_t i = 0; i < shot->periods; i++)
    av_frame_free(&shot->carriers[i]);
  memset(shot, 0, sizeof *shot);
}

/* Ends the shot: its payload, its line in the table, its part of the stream. */
static int settle(Job *job, int end) {
  Shot *shot = job->shot;
  SidelightBuffer payload = {0};
  SidelightCodecParams params;
  SidelightReport report;
  int result = adapt(job, shot, &payload, &params, &report);
  if (result < 0)
    fprintf(stderr, "sidelight: %s\n", sidelight_strerror(result));
  int ok = result >= 0 && bind_copies(job, shot, &payload, report.mode);
  if (ok)
    print_shot(job, shot, &params, &report);
  ok = ok && write_units(job, shot->periods, end);
  sidelight_buffer_unref(&payload);
  shot_clear(shot);
  return ok;
}

/* ---- pictures of the shot ---- */

/* Where a picture stands in the queue for the sample: those with the smallest keys of any stretch are
 * spread evenly over it, and not in step with a codec's pattern of types. */
static uint32_t key(const Shot *shot, const Picture *p) {
  return (uint32_t)(p->index - shot->first) * UINT32_C(0x9E3779B9);
}

/* Takes the picture over. */
static int add(Job *job, Picture *p) {
  Shot *shot = job->shot;
  SidelightPicture decoded;
  if (!picture_of_frame(p->decoded, &decoded)) {
    fprintf(stderr, "libavcodec: a picture of an unexpected format\n");
    picture_free(p);
    return 0;
  }
  int irap = decoded.picture_type == SIDELIGHT_PICTURE_TYPE_IRAP;
  if (irap && shot->periods == job->o->shot && !settle(job, 0)) {
    picture_free(p);
    return 0;
  }
  if (shot->count == 0)
    shot->first = p->index;
  if (irap) {
    AVFrame *carrier = av_frame_clone(p->decoded);
    if (!carrier) {
      picture_free(p);
      return out_of_memory();
    }
    shot->carriers[shot->periods++] = carrier;
  }
  size_t class = irap ? 0 : decoded.picture_type - SIDELIGHT_PICTURE_TYPE_I;
  shot->qp[class] += p->qp;
  shot->of_class[class]++;
  shot->bytes += p->bytes;
  shot->count++;
  shot->sample[shot->sampled++] = *p;
  if (shot->sampled > job->o->pictures) {
    size_t worst = 0;
    for (size_t i = 1; i < shot->sampled; i++) {
      if (key(shot, &shot->sample[i]) > key(shot, &shot->sample[worst]))
        worst = i;
    }
    picture_free(&shot->sample[worst]);
    shot->sampled--;
    memmove(&shot->sample[worst], &shot->sample[worst + 1],
            (shot->sampled - worst) * sizeof *shot->sample);
  }
  return 1;
}

/* ---- coding and decoding ---- */

static int codec_failed(const char *what, int error) {
  char text[AV_ERROR_MAX_STRING_SIZE];
  fprintf(stderr, "%s: %s\n", what, av_make_error_string(text, sizeof text, error));
  return 0;
}

/* Decodes a coded picture, or what is left of them if `packet` is NULL, and takes what comes out. */
static int decode(Job *job, AVPacket *packet) {
  int result = avcodec_send_packet(job->decoder, packet);
  while (result >= 0 && (result = avcodec_receive_frame(job->decoder, job->frame)) >= 0) {
    if (job->waits == 0 || job->frame->pts != job->shown || job->waiting[0].bytes == 0) {
      fprintf(stderr, "libavcodec: picture %lld came out where %lld was due\n",
              (long long)job->frame->pts, (long long)job->shown);
      return 0;
    }
    Picture p = job->waiting[0];
    memmove(job->waiting, job->waiting + 1, --job->waits * sizeof *job->waiting);
    job->shown++;
    p.decoded = av_frame_clone(job->frame);
    av_frame_unref(job->frame);
    if (!p.decoded) {
      picture_free(&p);
      return out_of_memory();
    }
    if (!add(job, &p))
      return 0;
  }
  if (result != AVERROR(EAGAIN) && result != AVERROR_EOF)
    return codec_failed("libavcodec", result);
  return 1;
}

/* Takes what x265 made of a picture. */
static int take(Job *job, const x265_nal *nals, uint32_t count, const x265_picture *picture) {
  size_t size = 0;
  int irap = 0;
  for (uint32_t i = 0; i < count; i++) {
    size += nals[i].sizeBytes;
    irap = irap || (nals[i].type >= 16 && nals[i].type <= 23);
  }
  int64_t at = picture->pts - job->shown;
  if (at < 0 || at >= (int64_t)job->waits) {
    fprintf(stderr, "x265: an unexpected picture\n");
    return 0;
  }
  job->waiting[at].qp = picture->frameData.qp;
  job->waiting[at].bytes = size;

  if (!grow((void **)&job->units, job->queued, sizeof *job->units))
    return 0;
  Unit unit = {malloc(size), size, irap};
  if (!unit.data)
    return out_of_memory();
  size = 0;
  for (uint32_t i = 0; i < count; i++) {
    memcpy(unit.data + size, nals[i].payload, nals[i].sizeBytes);
    size += nals[i].sizeBytes;
  }
  job->units[job->queued++] = unit;
  int result = av_new_packet(job->packet, (int)size);
  if (result < 0)
    return codec_failed("libavcodec", result);
  memcpy(job->packet->data, unit.data, size);
  job->packet->pts = picture->pts;
  int ok = decode(job, job->packet);
  av_packet_unref(job->packet);
  return ok;
}

/* Codes a picture; NULL to get one of those that are left. The number that came out, or -1. */
static int code(Job *job, const SidelightPicture *p) {
  x265_picture in, out;
  x265_nal *nals = NULL;
  uint32_t count = 0;
  job->api->picture_init(job->param, &in);
  job->api->picture_init(job->param, &out);
  if (p) {
    for (int i = 0; i < plane_count(p); i++) {
      in.planes[i] = p->data[i];
      in.stride[i] = (int)p->stride[i];
      in.framesize += plane_row_bytes(p, i) * plane_rows(p, i);
    }
    in.width = (int)p->width;
    in.height = (int)p->height;
    in.bitDepth = (int)p->bit_depth;
    in.poc = (int)job->coded;
    in.pts = job->coded++;
  }
  int result = job->api->encoder_encode(job->x265, &nals, &count, p ? &in : NULL, &out);
  if (result < 0) {
    fprintf(stderr, "x265: coding failed\n");
    return -1;
  }
  if (result > 0 && !take(job, nals, count, &out))
    return -1;
  return result;
}

static int option(const Job *job, const char *name, const char *value) {
  if (job->api->param_parse(job->param, name, value) == 0)
    return 1;
  fprintf(stderr, "x265: option %s=%s is refused\n", name, value ? value : "");
  return 0;
}

/* Whether pictures come out as they go in: some options drop some, halve them, or wait for what isn't given. */
static int is_supported(const x265_param *p) {
  const char *name = p->bEnableFrameDuplication             ? "frame-dup"
                     : p->chunkStart > 0 || p->chunkEnd > 0 ? "chunk-start or chunk-end"
                     : p->bField && p->interlaceMode        ? "field"
                     : p->bCTUInfo                          ? "ctu-info"
                     : p->bAnalysisType                     ? "refine-analysis-type"
                                                            : NULL;
  if (name)
    fprintf(stderr, "x265: option %s is not supported here\n", name);
  return !name;
}

/* What the file says of its pictures. Options may say otherwise. */
static void describe(x265_param *p, const VideoFormat *v) {
  if (v->aspect[0] > 0 && v->aspect[0] < 65536 && v->aspect[1] < 65536) {
    p->vui.aspectRatioIdc = X265_EXTENDED_SAR;
    p->vui.sarWidth = (int)v->aspect[0];
    p->vui.sarHeight = (int)v->aspect[1];
  }
  if (v->full_range > 0) {
    p->vui.bEnableVideoSignalTypePresentFlag = 1;
    p->vui.bEnableVideoFullRangeFlag = 1;
  }
}

static int open_x265(Job *job) {
  static const int layouts[] = {X265_CSP_I400, X265_CSP_I420, X265_CSP_I422, X265_CSP_I444};
  const Options *o = job->o;
  const VideoFormat *v = &job->in.format;
  job->api = x265_api_get((int)v->bit_depth);
  if (!job->api) {
    fprintf(stderr, "x265: no encoder of %u bits\n", v->bit_depth);
    return 0;
  }
  job->param = job->api->param_alloc();
  if (!job->param)
    return out_of_memory();
  x265_param *p = job->param;
  if (job->api->param_default_preset(p, o->preset, NULL) < 0) {
    fprintf(stderr, "x265: no preset '%s'\n", o->preset);
    return 0;
  }
  p->logLevel = X265_LOG_ERROR;
  describe(p, v);
  int ok = o->crf ? option(job, "crf", o->crf) : option(job, "qp", o->qp ? o->qp : "32");
  ok = ok && option(job, "keyint", o->keyint);
  for (int i = 0; ok && i < o->extras; i++) {
    char name[256];
    const char *equals = strchr(o->extra[i], '=');
    snprintf(name, sizeof name, "%.*s", equals ? (int)(equals - o->extra[i]) : 255, o->extra[i]);
    ok = option(job, name, equals ? equals + 1 : NULL);
  }
  char pools[16];
  snprintf(pools, sizeof pools, "%d", o->threads);
  ok = ok && (o->threads == 0 || option(job, "pools", pools));
  if (!ok || !is_supported(p))
    return 0;
  if (v->full_range >= 0 && v->full_range != p->vui.bEnableVideoFullRangeFlag)
    fprintf(stderr, "%s says %s range and the option of x265 %s: the option holds, and samples stay as they are\n",
            job->in.path, v->full_range ? "full" : "limited", v->full_range ? "limited" : "full");
  p->sourceWidth = (int)v->width;
  p->sourceHeight = (int)v->height;
  p->internalCsp = layouts[v->layout];
  p->fpsNum = v->rate;
  p->fpsDenom = v->scale;
  p->bAnnexB = 1;
  p->bRepeatHeaders = 1;  /* decoding may start at every IRAP picture */
  p->csvLogLevel = 1;     /* without it x265 keeps the QPs to itself */
  p->bCopyPicToFrame = 1; /* else planes are to have its own strides and margins, and to live as long as it */
  job->x265 = job->api->encoder_open(p);
  if (!job->x265)
    fprintf(stderr, "x265: settings are refused\n");
  return job->x265 != NULL;
}

static int open_decoder(Job *job) {
  const AVCodec *hevc = avcodec_find_decoder(AV_CODEC_ID_HEVC);
  if (!hevc) {
    fprintf(stderr, "libavcodec has no HEVC decoder\n");
    return 0;
  }
  av_log_set_level(AV_LOG_ERROR);
  job->decoder = avcodec_alloc_context3(hevc);
  job->packet = av_packet_alloc();
  job->frame = av_frame_alloc();
  if (!job->decoder || !job->packet || !job->frame)
    return out_of_memory();
  job->decoder->thread_count = job->o->threads;
  int result = avcodec_open2(job->decoder, hevc, NULL);
  return result < 0 ? codec_failed("libavcodec", result) : 1;
}

static int open_sidelight(Job *job) {
  SidelightStreamSettings hevc = {.codec = SIDELIGHT_NAL_CODEC_HEVC};
  int result = sidelight_encoder_open(&job->o->encoder, &job->encoder);
  if (result >= 0)
    result = sidelight_stream_open(&hevc, &job->stream);
  if (result < 0)
    fprintf(stderr, "sidelight: %s\n", sidelight_strerror(result));
  return result >= 0;
}

/* Reads, codes and decodes all pictures. */
static int run(Job *job) {
  for (;;) {
    if (!grow((void **)&job->waiting, job->waits, sizeof *job->waiting))
      return 0;
    Picture p = {.index = job->coded};
    int got = y4m_read(&job->in, &p.original);
    if (got < 0)
      return 0;
    if (got == 0)
      break;
    job->waiting[job->waits++] = p;
    if (code(job, &p.original.picture) < 0)
      return 0;
  }
  if (job->coded == 0) {
    fprintf(stderr, "%s: no picture\n", job->in.path);
    return 0;
  }
  int result;
  while ((result = code(job, NULL)) > 0)
    ;
  if (result < 0 || !decode(job, NULL))
    return 0;
  if (job->waits > 0) {
    fprintf(stderr, "libavcodec: %zu pictures did not come out\n", job->waits);
    return 0;
  }
  return settle(job, 1);
}

static void job_free(Job *job) {
  if (job->x265)
    job->api->encoder_close(job->x265);
  if (job->param)
    job->api->param_free(job->param);
  if (job->shot)
    shot_clear(job->shot);
  free(job->shot);
  for (size_t i = 0; i < job->waits; i++)
    picture_free(&job->waiting[i]);
  free(job->waiting);
  for (size_t i = 0; i < job->queued; i++)
    free(job->units[i].data);
  free(job->units);
  for (size_t i = 0; i < job->bound; i++)
    free(job->payloads[i].data);
  free(job->payloads);
  avcodec_free_context(&job->decoder);
  av_packet_free(&job->packet);
  av_frame_free(&job->frame);
  sidelight_stream_close(&job->stream);
  sidelight_encoder_close(&job->encoder);
  y4m_close(&job->in);
}

int main(int argc, char **argv) {
  Options o;
  if (!parse(argc, argv, &o))
    return EXIT_FAILURE;
  Job job = {.o = &o};
  /* Standard output may be where the stream goes. */
  job.summary = output_is_regular(o.out) ? stdout : stderr;
  int status = EXIT_FAILURE;
  if (!y4m_open(&job.in, o.in))
    return EXIT_FAILURE;
  job.shot = calloc(1, sizeof *job.shot);
  if (!job.shot) {
    out_of_memory();
  } else if (open_x265(&job) && open_decoder(&job) && open_sidelight(&job) &&
             output_open(&job.out, o.out)) {
    print_title(&job);
    int ok = run(&job);
    if (output_close(&job.out, ok)) {
      print_total(&job);
      status = printed(job.summary) ? EXIT_SUCCESS : EXIT_FAILURE;
    }
  }
  job_free(&job);
  return status;
}

static int parse(int argc, char **argv, Options *o) {
  static const struct option options[] = {
      {"qp", required_argument, NULL, 'q'},       {"crf", required_argument, NULL, 'c'},
      {"preset", required_argument, NULL, 'p'},   {"keyint", required_argument, NULL, 'k'},
      {"model-size", required_argument, NULL, 'l'},
      {"x265", required_argument, NULL, 'x'},     {"no-payload", no_argument, NULL, 'm'},
      {"no-update", no_argument, NULL, 'b'},      {"shot", required_argument, NULL, 's'},
      {"pictures", required_argument, NULL, 'n'}, {"slope", required_argument, NULL, 'd'},
      {"steps", required_argument, NULL, 'i'},    {"threads", required_argument, NULL, 't'},
      {"effort", required_argument, NULL, 'e'},   {"help", no_argument, NULL, 'h'},
      {NULL, 0, NULL, 0},
  };
  memset(o, 0, sizeof *o);
  o->preset = "medium";
  o->keyint = "250";
  o->shot = 1;
  o->pictures = 32;
  int c;
  while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
    int ok = 1;
    long n;
    char *end;
    switch (c) {
    case 'q':
      ok = parse_number(optarg, 0, 51, &n);
      o->qp = optarg;
      break;
    case 'c':
      o->crf = optarg;
      break;
    case 'p':
      o->preset = optarg;
      break;
    case 'k':
      ok = parse_number(optarg, 1, 100000, &n);
      o->keyint = optarg;
      break;
    case 'x':
      ok = o->extras < MAX_EXTRA;
      if (ok)
        o->extra[o->extras++] = optarg;
      break;
    case 'm':
      o->no_payload = 1;
      o->encoder.no_update = 1;
      break;
    case 'b':
      o->encoder.no_update = 1;
      break;
    case 'l':
      ok = parse_model_size(optarg, &o->encoder.model_size);
      break;
    case 's':
      ok = parse_number(optarg, 1, MAX_SHOT, &n);
      o->shot = (size_t)n;
      break;
    case 'n':
      ok = parse_number(optarg, 1, MAX_PICTURES, &n);
      o->pictures = (size_t)n;
      break;
    case 'd':
      o->doubling = strtod(optarg, &end);
      ok = *optarg != '\0' && *end == '\0' && o->doubling >= 0 && o->doubling <= 1e6;
      break;
    case 'e':
      ok = parse_number(optarg, 1, 9, &n);
      o->encoder.effort = (uint32_t)n;
      break;
    case 'i':
      ok = parse_number(optarg, 0, 100000, &n);
      o->encoder.steps = (uint32_t)n;
      break;
    case 't':
      ok = parse_number(optarg, 0, 256, &n);
      o->encoder.threads = (uint32_t)n;
      o->threads = (int)n;
      break;
    case 'h':
      fputs(usage, stdout);
      exit(EXIT_SUCCESS);
    default:
      fputs(usage, stderr);
      return 0;
    }
    if (!ok) {
      fprintf(stderr, "hevc_encode: bad value '%s'\n%s", optarg, usage);
      return 0;
    }
  }
  if (argc - optind != 2) {
    fputs(usage, stderr);
    return 0;
  }
  o->in = argv[optind];
  o->out = argv[optind + 1];
  return 1;
}
