/* Decodes an HEVC video with stock libavformat and libavcodec and filters it as its payloads ask.
 *
 *   hevc_decode [options] IN.hevc|mp4|mkv|- OUT.y4m|-
 *
 * Whatever is wrong with a payload, the pictures come out: unfiltered, with a message. Where the video
 * itself is damaged, what could be decoded comes out, and the status is 2. */
#include "command_line.h"
#include "picture_io.h"
#include "video_io.h"

#include <getopt.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/md5.h>
#include <stdlib.h>
#include <string.h>

typedef struct Options {
  int off, base; /* base: a QP, or 0 */
  int md5;
  int threads;
  const char *in, *out;
} Options;

static const char usage[] =
    "usage: hevc_decode [options] IN.hevc|mp4|mkv|- OUT.y4m|-\n"
    "  --off                      as decoded, whatever the payloads say\n"
    "  --base QP                  the base model, as for pictures of this QP, whatever the payloads say\n"
    "  --md5                      write number, bytes and MD5 of each picture in place of the pictures\n"
    "  --threads N                threads, 0 = one for each core (default 0)\n";

static int parse(int argc, char **argv, Options *o);

typedef struct Job {
  const Options *o;
  AVFormatContext *file;
  AVStream *track;
  AVCodecContext *codec;
  AVPacket *packet;
  AVFrame *frame;
  SidelightDecoder *decoder;
  VideoFormat format;
  VideoPicture filtered;
  struct AVMD5 *md5;
  OutputFile out;
  int opened;
  unsigned long long pictures, changed; /* all, and those that were filtered */
  int mode;                             /* in force */
  int damaged;
} Job;

static int out_of_memory(void) {
  fprintf(stderr, "out of memory\n");
  return 0;
}

static int failed(const char *what, int error) {
  char text[AV_ERROR_MAX_STRING_SIZE];
  fprintf(stderr, "%s: %s\n", what, av_make_error_string(text, sizeof text, error));
  return 0;
}

/* The track that players show, if it is HEVC, else the largest HEVC track; NULL if there is none. */
static AVStream *hevc_track(AVFormatContext *file) {
  int best = av_find_best_stream(file, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
  if (best >= 0 && file->streams[best]->codecpar->codec_id == AV_CODEC_ID_HEVC)
    return file->streams[best];
  AVStream *track = NULL;
  int64_t largest = -1;
  for (unsigned i = 0; i < file->nb_streams; i++) {
    const AVCodecParameters *p = file->streams[i]->codecpar;
    int64_t pixels = (int64_t)p->width * p->height;
    if (p->codec_id == AV_CODEC_ID_HEVC && pixels > largest) {
      track = file->streams[i];
      largest = pixels;
    }
  }
  return track;
}

static int open_input(Job *job) {
  const Options *o = job->o;
  const char *name = strcmp(o->in, "-") == 0 ? "pipe:0" : o->in;
  int result = avformat_open_input(&job->file, name, NULL, NULL);
  if (result < 0)
    return failed(o->in, result);
  result = avformat_find_stream_info(job->file, NULL);
  if (result < 0)
    return failed(o->in, result);
  job->track = hevc_track(job->file);
  const AVCodec *codec = avcodec_find_decoder(AV_CODEC_ID_HEVC);
  if (!job->track || !codec) {
    fprintf(stderr, "%s: %s\n", o->in, codec ? "not HEVC" : "libavcodec has no HEVC decoder");
    return 0;
  }
  for (unsigned i = 0; i < job->file->nb_streams; i++) {
    if (job->file->streams[i] != job->track)
      job->file->streams[i]->discard = AVDISCARD_ALL;
  }
  job->codec = avcodec_alloc_context3(codec);
  job->packet = av_packet_alloc();
  job->frame = av_frame_alloc();
  job->md5 = av_md5_alloc();
  if (!job->codec || !job->packet || !job->frame || !job->md5)
    return out_of_memory();
  result = avcodec_parameters_to_context(job->codec, job->track->codecpar);
  job->codec->thread_count = o->threads;
  if (result >= 0)
    result = avcodec_open2(job->codec, codec, NULL);
  return result < 0 ? failed(o->in, result) : 1;
}

static int open_sidelight(Job *job) {
  const Options *o = job->o;
  SidelightDecoderSettings settings = {0};
  settings.threads = (uint32_t)o->threads;
  int result = sidelight_decoder_open(&settings, &job->decoder);
  if (result >= 0 && o->base > 0) {
    SidelightCodecParams params = {.codec = SIDELIGHT_CODEC_HEVC};
    memset(params.qp, o->base, sizeof params.qp);
    result = sidelight_decoder_set_mode(job->decoder, SIDELIGHT_MODE_BASE, &params);
    job->mode = SIDELIGHT_MODE_BASE;
  }
  if (result < 0)
    fprintf(stderr, "sidelight: %s\n", sidelight_strerror(result));
  return result >= 0;
}

/* The heart of the example: hands the messages that came with a picture to Sidelight. */
static void choose(Job *job, const SidelightPicture *picture) {
  enum { MOST = 64 };
  const uint8_t *messages[MOST];
  size_t sizes[MOST], count = 0;
  for (int i = 0; i < job->frame->nb_side_data; i++) {
    const AVFrameSideData *data = job->frame->side_data[i];
    if (data->type != AV_FRAME_DATA_SEI_UNREGISTERED)
      continue;
    /* The library looks at the last ones: the first make room. */
    if (count == MOST) {
      count--;
      memmove(messages, messages + 1, count * sizeof *messages);
      memmove(sizes, sizes + 1, count * sizeof *sizes);
    }
    messages[count] = data->data;
    sizes[count++] = data->size;
  }
  int result = sidelight_decoder_set_sei(job->decoder, picture, messages, sizes, count);
  if (result >= 0) {
    job->mode = result;
  } else if (result != SIDELIGHT_ERROR_NO_PAYLOAD) {
    fprintf(stderr, "sidelight: picture %llu: payload ignored: %s; pictures are unfiltered from here\n",
            job->pictures, sidelight_strerror(result));
    job->mode = SIDELIGHT_MODE_OFF;
  } else if (picture->picture_type == SIDELIGHT_PICTURE_TYPE_IRAP) {
    job->mode = SIDELIGHT_MODE_OFF;
  }
}

static int open_output(Job *job, const SidelightPicture *p) {
  AVRational rate = job->track->avg_frame_rate, aspect = job->frame->sample_aspect_ratio;
  VideoFormat *v = &job->format;
  if (rate.num <= 0 || rate.den <= 0)
    rate = (AVRational){25, 1};
  *v = (VideoFormat){.width = p->width, .height = p->height, .layout = p->layout,
                     .bit_depth = p->bit_depth, .full_range = job->frame->color_range == AVCOL_RANGE_JPEG,
                     .rate = (uint32_t)rate.num, .scale = (uint32_t)rate.den};
  if (aspect.num > 0 && aspect.den > 0) {
    v->aspect[0] = (uint32_t)aspect.num;
    v->aspect[1] = (uint32_t)aspect.den;
  }
  if (!video_picture(v, &job->filtered) || !output_open(&job->out, job->o->out))
    return 0;
  job->opened = 1;
  if (!job->o->md5)
    y4m_write_header(job->out.stream, v);
  return 1;
}

static void write_md5(Job *job, const SidelightPicture *p) {
  uint8_t digest[16];
  size_t bytes = 0;
  av_md5_init(job->md5);
  for (int i = 0; i < plane_count(p); i++) {
    for (uint32_t y = 0; y < plane_rows(p, i); y++) {
      av_md5_update(job->md5, plane_row(p, i, y), plane_row_bytes(p, i));
      bytes += plane_row_bytes(p, i);
    }
  }
  av_md5_final(job->md5, digest);
  fprintf(job->out.stream, "%llu, %zu, ", job->pictures, bytes);
  for (size_t i = 0; i < sizeof digest; i++)
    fprintf(job->out.stream, "%02x", digest[i]);
  fputc('\n', job->out.stream);
}

/* Filters and writes the picture in `frame`. */
static int show(Job *job) {
  SidelightPicture p;
  if (!picture_of_frame(job->frame, &p)) {
    fprintf(stderr, "%s: this format of pictures is not supported\n", job->o->in);
    return 0;
  }
  if (!job->opened && !open_output(job, &p))
    return 0;
  const VideoFormat *v = &job->format;
  if (p.width != v->width || p.height != v->height || p.layout != v->layout ||
      p.bit_depth != v->bit_depth) {
    fprintf(stderr, "%s: picture %llu has another shape\n", job->o->in, job->pictures);
    return 0;
  }
  const SidelightPicture *shown = &p;
  if (!job->o->off) {
    if (job->o->base == 0)
      choose(job, &p);
    SidelightPicture *filtered = &job->filtered.picture;
    int result = sidelight_decoder_filter(job->decoder, &p, filtered);
    if (result == 0) {
      shown = filtered;
      job->changed += job->mode != SIDELIGHT_MODE_OFF;
    } else {
      fprintf(stderr, "sidelight: picture %llu is unfiltered: %s\n", job->pictures,
              sidelight_strerror(result));
    }
  }
  if (job->o->md5)
    write_md5(job, shown);
  else
    y4m_write_picture(job->out.stream, shown);
  job->pictures++;
  return output_good(&job->out);
}

/* Decodes a packet, or what is left if it is NULL. */
static int decode(Job *job, AVPacket *packet) {
  int result = avcodec_send_packet(job->codec, packet);
  if (result < 0 && result != AVERROR_EOF) {
    job->damaged = 1;
    failed(job->o->in, result);
    return result != AVERROR(ENOMEM);
  }
  while ((result = avcodec_receive_frame(job->codec, job->frame)) != AVERROR(EAGAIN) &&
         result != AVERROR_EOF) {
    if (result < 0) {
      job->damaged = 1;
      failed(job->o->in, result);
      return result != AVERROR(ENOMEM);
    }
    job->damaged = job->damaged || job->frame->decode_error_flags != 0;
    int ok = show(job);
    av_frame_unref(job->frame);
    if (!ok)
      return 0;
  }
  return 1;
}

static int run(Job *job) {
  int result;
  while ((result = av_read_frame(job->file, job->packet)) >= 0) {
    int ok = job->packet->stream_index != job->track->index || decode(job, job->packet);
    av_packet_unref(job->packet);
    if (!ok)
      return 0;
  }
  if (result != AVERROR_EOF) {
    failed(job->o->in, result);
    job->damaged = 1;
  }
  if (!decode(job, NULL))
    return 0;
  if (job->pictures == 0)
    fprintf(stderr, "%s: no picture\n", job->o->in);
  return job->pictures > 0;
}

int main(int argc, char **argv) {
  Options o;
  if (!parse(argc, argv, &o))
    return EXIT_FAILURE;
  Job job = {.o = &o};
  /* Standard output may be where the pictures go. */
  FILE *summary = output_is_regular(o.out) ? stdout : stderr;
  int status = EXIT_FAILURE;
  av_log_set_level(AV_LOG_ERROR);
  double start = now();
  int ok = open_input(&job) && open_sidelight(&job) && run(&job);
  if (job.opened && output_close(&job.out, ok)) {
    double seconds = now() - start;
    fprintf(summary, "%llu pictures, %llu filtered, %.2f s, %.1f pictures/s\n", job.pictures, job.changed,
            seconds, (double)job.pictures / seconds);
    if (printed(summary))
      status = job.damaged ? 2 : EXIT_SUCCESS;
  }
  av_packet_free(&job.packet);
  av_frame_free(&job.frame);
  avcodec_free_context(&job.codec);
  avformat_close_input(&job.file);
  av_free(job.md5);
  sidelight_decoder_close(&job.decoder);
  video_picture_free(&job.filtered);
  return status;
}

static int parse(int argc, char **argv, Options *o) {
  static const struct option options[] = {
      {"off", no_argument, NULL, 'o'},          {"base", required_argument, NULL, 'b'},
      {"md5", no_argument, NULL, '5'},          {"threads", required_argument, NULL, 't'},
      {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
  };
  memset(o, 0, sizeof *o);
  int c;
  while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
    int ok = 1;
    long n;
    switch (c) {
    case 'o':
      o->off = 1;
      break;
    case 'b':
      ok = parse_number(optarg, 1, 51, &n);
      o->base = (int)n;
      break;
    case '5':
      o->md5 = 1;
      break;
    case 't':
      ok = parse_number(optarg, 0, 256, &n);
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
      fprintf(stderr, "hevc_decode: bad value '%s'\n%s", optarg, usage);
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
