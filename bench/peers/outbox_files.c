// What the files of an outbox cost whoever empties it: reads each and removes it, in 64s, in the order of their names.
//
//   outbox_files FOLDER
//
// Prints the seconds that it took and those of them on a processor. Listing the folder is not counted.

#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64 };

static double seconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int is_name(const struct dirent *entry) { return entry->d_name[0] != '.'; }

int main(int count, char **arguments) {
  if (count != 2) errx(64, "usage: outbox_files FOLDER");
  struct dirent **names;
  const int files = scandir(arguments[1], &names, is_name, alphasort);
  const int folder = open(arguments[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (files < 0 || folder < 0) err(1, "%s", arguments[1]);

  static char bytes[64 * 1024];
  const double begun = seconds(CLOCK_MONOTONIC), busy = seconds(CLOCK_PROCESS_CPUTIME_ID);
  for (int first = 0; first < files; first += BATCH) {
    const int end = first + BATCH < files ? first + BATCH : files;
    for (int index = first; index < end; index++) {
      const int file = openat(folder, names[index]->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
      if (file < 0 || read(file, bytes, sizeof bytes) <= 0) err(1, "%s", names[index]->d_name);
      close(file);
    }
    for (int index = first; index < end; index++)
      if (unlinkat(folder, names[index]->d_name, 0) < 0) err(1, "%s", names[index]->d_name);
  }
  printf("%.9f %.9f\n", seconds(CLOCK_MONOTONIC) - begun, seconds(CLOCK_PROCESS_CPUTIME_ID) - busy);
  return 0;
}
