// libtorch as a process that is asked for timings: tools/peers/engine.py has the protocol, graphs.py the
// network's file. In C++ because the Python package loads CUDA's libraries.
//
//   libtorch NETWORK FRAME WIDTH HEIGHT FILTERED

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

using at::Tensor;

struct Layer {
  Tensor weight, bias, map;
  float low, high;
};
using Network = std::vector<Layer>;

template <typename T> static T read(std::istream &in) {
  T value;
  if (!in.read(reinterpret_cast<char *>(&value), sizeof value))
    throw std::runtime_error("the network's file is too short");
  return value;
}

static Tensor tensor(std::istream &in, std::vector<int64_t> shape) {
  Tensor t = at::empty(shape);
  if (!in.read(static_cast<char *>(t.data_ptr()), t.nbytes()))
    throw std::runtime_error("the network's file is too short");
  return t;
}

static Network network(std::istream &in, int64_t height, int64_t width) {
  Network layers(read<int32_t>(in));
  for (Layer &l : layers) {
    int64_t cin = read<int32_t>(in), cout = read<int32_t>(in), period = read<int32_t>(in);
    l.low = read<float>(in);
    l.high = read<float>(in);
    l.weight = tensor(in, {cout, cin, 3, 3}).contiguous(at::MemoryFormat::ChannelsLast);
    l.bias = tensor(in, {cout});
    Tensor phases = tensor(in, {cout, period, period});
    if (period > 1)
      l.map = phases.repeat({1, (height + period - 1) / period, (width + period - 1) / period})
                  .slice(1, 0, height)
                  .slice(2, 0, width)
                  .unsqueeze(0)
                  .contiguous(at::MemoryFormat::ChannelsLast);
  }
  return layers;
}

static Tensor run(const Network &layers, Tensor x) {
  x = x.contiguous(at::MemoryFormat::ChannelsLast);
  for (const Layer &l : layers) {
    x = at::conv2d(x, l.weight, l.bias, 1, 1);
    if (l.map.defined())
      x.add_(l.map);
    x.clamp_(l.low, l.high);
  }
  return x;
}

static std::vector<Tensor> filter(const Network &luma, const Network &chroma, const Tensor &y,
                                  const Tensor &c, bool colour) {
  Tensor phases = at::pixel_unshuffle(y, 2);
  std::vector<Tensor> out{at::pixel_shuffle(run(luma, phases), 2).add_(y).clamp_(0, 255)};
  if (colour)
    out.push_back(run(chroma, at::cat({phases, c}, 1)).add_(c).clamp_(0, 255));
  return out;
}

int main(int argc, char **argv) {
  if (argc != 6) {
    std::cerr << "usage: libtorch NETWORK FRAME WIDTH HEIGHT FILTERED\n";
    return 1;
  }
  c10::InferenceMode inference;
  int64_t width = std::stoll(argv[3]), height = std::stoll(argv[4]);
  std::ifstream file(argv[1], std::ios::binary), frame(argv[2], std::ios::binary);
  Network luma = network(file, height / 2, width / 2), chroma = network(file, height / 2, width / 2);
  Tensor raw = at::empty({height * width * 3 / 2}, at::kByte);
  if (!frame.read(static_cast<char *>(raw.data_ptr()), raw.nbytes()))
    throw std::runtime_error("the frame is too short");
  raw = raw.to(at::kFloat);
  Tensor y = raw.slice(0, 0, height * width).view({1, 1, height, width});
  Tensor c = raw.slice(0, height * width).view({1, 2, height / 2, width / 2});

  at::set_num_threads(1);
  std::ofstream filtered(argv[5], std::ios::binary);
  for (Tensor plane : filter(luma, chroma, y, c, !chroma.empty())) {
    plane = (plane + 0.5).floor().to(at::kByte).contiguous();
    filtered.write(static_cast<const char *>(plane.data_ptr()), plane.nbytes());
  }
  filtered.close();
  std::cout << "{\"engine\": \"libtorch-fp32\"}" << std::endl;

  std::string planes;
  int threads, frames;
  while (std::cin >> planes >> threads >> frames) {
    at::set_num_threads(threads);
    std::cout << "[";
    for (int i = 0; i < frames; i++) {
      auto start = std::chrono::steady_clock::now();
      filter(luma, chroma, y, c, planes == "colour");
      std::chrono::duration<double, std::milli> ms = std::chrono::steady_clock::now() - start;
      std::cout << (i ? ", " : "") << ms.count();
    }
    std::cout << "]" << std::endl;
  }
}
