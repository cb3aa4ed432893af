// boost::lockfree::spsc_queue between two threads, each on a core of its own where there are two.
//
//   spsc_queue CAPACITY COUNT
//
// The producer makes COUNT elements of 200 bytes, each with its number in front, and spins while the queue is full; the
// consumer spins while it is empty, and reads every word of each element. Prints seconds, from when both are ready.
#include <pthread.h>
#include <sched.h>

#include <array>
#include <atomic>
#include <boost/lockfree/spsc_queue.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace {

using Element = std::array<char, 200>;

void use_core(unsigned core) {
  if (std::thread::hardware_concurrency() < 2) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

std::uint64_t sum(const Element &element) {
  std::uint64_t words[sizeof element / 8], total = 0;
  std::memcpy(words, element.data(), sizeof words);
  for (const std::uint64_t word : words) total += word;
  return total;
}

}  // namespace

int main(int count, char **arguments) {
  if (count != 3) return 64;
  boost::lockfree::spsc_queue<Element> queue(std::strtoull(arguments[1], nullptr, 10));
  const std::uint64_t elements = std::strtoull(arguments[2], nullptr, 10);
  std::atomic<bool> isReady{false};

  std::thread producer([&] {
    use_core(0);
    Element element;
    element.fill('x');
    while (!isReady.load(std::memory_order_acquire)) {
    }
    for (std::uint64_t number = 1; number <= elements; number++) {
      std::memcpy(element.data(), &number, sizeof number);
      while (!queue.push(element)) {
      }
    }
  });

  use_core(1);
  Element element;
  element.fill('x');
  std::memset(element.data(), 0, 8);
  const std::uint64_t filling = sum(element);
  std::uint64_t touched = 0;
  isReady.store(true, std::memory_order_release);
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t number = 1; number <= elements; number++) {
    while (!queue.pop(element)) {
    }
    touched += sum(element);
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  producer.join();
  std::printf("%.6f\n", seconds.count());
  return touched == elements * (elements + 1) / 2 + filling * elements ? 0 : 1;
}
