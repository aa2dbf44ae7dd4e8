/*
 * A Files API that costs almost nothing, so that what is measured is the client: request bodies are dropped in the
 * kernel, contents are sent from memory, lists are put together by copying. One thread, poll(2), loopback only.
 *
 *   server serve [bytes per second]        prints its port; ends when its standard input does
 *   server run command argument...         runs a command, prints its time and memory as JSON
 *   server load port what count connections [file]
 *                                          a client as cheap as can be: what the server can do
 *
 * A file's id holds its size: file_<bytes>_<anything>. A base URL with the path /t<count> lists that many files.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/mman.h>
#include <sys/sendfile.h>
#endif

enum { HEAD_MAX = 64 << 10, CONNECTIONS_MAX = 1024, BLOCK = 1 << 20, CONTENT = 64 << 20 };

static void die(const char *what) {
  perror(what);
  exit(1);
}

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static double cpu_ms(const struct rusage *r) {
  return r->ru_utime.tv_sec * 1e3 + r->ru_utime.tv_usec / 1e3 + r->ru_stime.tv_sec * 1e3 + r->ru_stime.tv_usec / 1e3;
}

static char *content;
#ifdef __linux__
static int content_fd;
#endif

static void make_content(void) {
#ifdef __linux__
  content_fd = memfd_create("content", 0);
  if (content_fd < 0 || ftruncate(content_fd, CONTENT) < 0) die("memfd");
  content = mmap(NULL, CONTENT, PROT_READ | PROT_WRITE, MAP_SHARED, content_fd, 0);
  if (content == MAP_FAILED) die("mmap");
#else
  content = malloc(CONTENT);
#endif
  for (int i = 0; i < CONTENT; i++) content[i] = "0123456789abcdef"[(i ^ (i >> 12)) & 15];
}

enum state { HEAD, BODY, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER };

struct connection {
  int fd;
  enum state state;
  char in[HEAD_MAX];
  size_t filled;
  char method[8], target[8 << 10], boundary[128];
  long long left;      /* of the body, or of the chunk */
  long long body;      /* body bytes so far */
  int has_head;        /* the part's head has been passed */
  int matched;         /* of the blank line behind it */
  long long head;      /* length of the part's head */
  char *out;
  size_t out_filled, out_sent, out_size;
  long long content_left, content_at;
  double not_before;   /* throttled until then */
};

static struct connection *connections[CONNECTIONS_MAX];
static int count;
static double rate;
static struct { long long requests, uploads, body_bytes, content_bytes; } stats;

static void append(struct connection *c, const char *data, size_t length) {
  if (c->out_filled + length > c->out_size) {
    c->out_size = (c->out_filled + length) * 2;
    c->out = realloc(c->out, c->out_size);
    if (!c->out) die("realloc");
  }
  memcpy(c->out + c->out_filled, data, length);
  c->out_filled += length;
}

static void answer(struct connection *c, int status, const char *type, const char *body, size_t length) {
  char head[512];
  int n = snprintf(head, sizeof head,
    "HTTP/1.1 %d %s\r\ncontent-type: %s\r\ncontent-length: %zu\r\nrequest-id: req_%lld\r\n\r\n",
    status, status == 200 ? "OK" : "Error", type, length, stats.requests);
  append(c, head, n);
  append(c, body, length);
}

static const char ROW[] =
  "{\"id\":\"file_1024_000000000\",\"type\":\"file\",\"filename\":\"report-000000000.pdf\","
  "\"mime_type\":\"application/pdf\",\"size_bytes\":1024,\"created_at\":\"2026-11-21T03:04:05.678000Z\","
  "\"downloadable\":false,\"expires_at\":null,\"scope\":null}";

static void digits(char *at, long long value) {
  for (int i = 8; i >= 0; i--, value /= 10) at[i] = '0' + value % 10;
}

static void row(char *to, long long n) {
  static size_t id, name;
  if (!id) {
    id = strstr(ROW, "_000000000") + 1 - ROW;
    name = strstr(ROW, "-000000000") + 1 - ROW;
  }
  memcpy(to, ROW, sizeof ROW - 1);
  digits(to + id, n);
  digits(to + name, n);
}

static long long number_after(const char *text, const char *what, long long otherwise) {
  const char *found = strstr(text, what);
  return found ? atoll(found + strlen(what)) : otherwise;
}

static void list(struct connection *c, const char *query, long long total) {
  static char *page;
  if (!page) page = malloc(1024 * sizeof ROW + 256);
  size_t at = sprintf(page, "{\"data\":[");
  if (strstr(query, "ids")) {
    const char *id = query;
    for (int n = 0; (id = strstr(id, "=file_")); n++) {
      const char *suffix = strchr(id + 6, '_');
      if (n) page[at++] = ',';
      row(page + at, suffix ? atoll(suffix + 1) : 0);
      at += sizeof ROW - 1;
      id++;
    }
    at += sprintf(page + at, "],\"next_page\":null}");
  } else {
    long long limit = number_after(query, "limit=", 20), from = number_after(query, "page=p", 0);
    if (limit > 1000) limit = 1000;
    long long until = from + limit < total ? from + limit : total;
    for (long long n = from; n < until; n++) {
      if (n > from) page[at++] = ',';
      row(page + at, n);
      at += sizeof ROW - 1;
    }
    if (until < total) at += sprintf(page + at, "],\"next_page\":\"p%lld\"}", until);
    else at += sprintf(page + at, "],\"next_page\":null}");
  }
  answer(c, 200, "application/json", page, at);
}

static void respond(struct connection *c) {
  char body[1024];
  int n;
  if (!strcmp(c->target, "/stats")) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    n = snprintf(body, sizeof body,
      "{\"requests\":%lld,\"uploads\":%lld,\"bodyBytes\":%lld,\"contentBytes\":%lld,\"cpuMs\":%.3f}",
      stats.requests, stats.uploads, stats.body_bytes, stats.content_bytes, cpu_ms(&usage));
    memset(&stats, 0, sizeof stats);
    answer(c, 200, "application/json", body, n);
    return;
  }
  stats.requests++;
  stats.body_bytes += c->body;
  char *files = strstr(c->target, "/v1/files");
  if (!files) {
    answer(c, 404, "application/json", "{}", 2);
    return;
  }
  files += strlen("/v1/files");
  if (*files != '/') {
    if (strcmp(c->method, "POST")) {
      list(c, files, c->target[1] == 't' ? atoll(c->target + 2) : 100000);
      return;
    }
    stats.uploads++;
    /* Up to the closing delimiter: CRLF, two hyphens, the boundary, two hyphens, CRLF. */
    long long size = c->body - c->head - (long long)strlen(c->boundary) - 8;
    n = snprintf(body, sizeof body,
      "{\"id\":\"file_%lld_%lld\",\"type\":\"file\",\"filename\":\"upload.bin\",\"mime_type\":\"application/octet-stream\","
      "\"size_bytes\":%lld,\"created_at\":\"2026-11-21T03:04:05.678000Z\",\"downloadable\":false,\"expires_at\":null}",
      size, stats.uploads, size);
    answer(c, 200, "application/json", body, n);
    return;
  }
  if (!strcmp(c->method, "DELETE")) {
    n = snprintf(body, sizeof body, "{\"id\":\"%s\",\"type\":\"file_deleted\"}", files + 1);
    answer(c, 200, "application/json", body, n);
    return;
  }
  long long size = number_after(files, "/file_", 0);
  if (strstr(files, "/content")) {
    n = snprintf(body, sizeof body,
      "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: %lld\r\n\r\n", size);
    append(c, body, n);
    c->content_left = size;
    c->content_at = 0;
    stats.content_bytes += size;
    return;
  }
  char item[sizeof ROW];
  const char *suffix = strchr(files + 6, '_');
  row(item, suffix ? atoll(suffix + 1) : 0);
  answer(c, 200, "application/json", item, sizeof ROW - 1);
}

/* 0: would block; -1: gone; 1: all sent. */
static int flush(struct connection *c) {
  while (c->out_sent < c->out_filled) {
    ssize_t n = send(c->fd, c->out + c->out_sent, c->out_filled - c->out_sent, MSG_NOSIGNAL | (c->content_left ? MSG_MORE : 0));
    if (n < 0) return errno == EAGAIN ? 0 : -1;
    c->out_sent += n;
  }
  c->out_filled = c->out_sent = 0;
  while (c->content_left > 0) {
    long long part = CONTENT - c->content_at;
    if (part > c->content_left) part = c->content_left;
#ifdef __linux__
    off_t offset = c->content_at;
    ssize_t n = sendfile(c->fd, content_fd, &offset, part);
#else
    ssize_t n = send(c->fd, content + c->content_at, part, MSG_NOSIGNAL);
#endif
    if (n < 0) return errno == EAGAIN ? 0 : -1;
    c->content_left -= n;
    c->content_at = (c->content_at + n) % CONTENT;
  }
  return 1;
}

/* Counts the first part's head, up to its blank line. */
static void scan(struct connection *c, const char *data, size_t length) {
  for (size_t i = 0; !c->has_head && i < length; i++) {
    c->head++;
    c->matched = data[i] == "\r\n\r\n"[c->matched] ? c->matched + 1 : data[i] == '\r';
    c->has_head = c->matched == 4;
  }
}

static const char *header(const char *head, const char *name) {
  size_t length = strlen(name);
  for (const char *line = strstr(head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
    if (!strncasecmp(line + 2, name, length) && line[2 + length] == ':') return line + 3 + length + strspn(line + 3 + length, " ");
  }
  return NULL;
}

static int consume(struct connection *c, size_t n) {
  memmove(c->in, c->in + n, c->filled - n);
  c->filled -= n;
  return 1;
}

static void finish(struct connection *c) {
  c->state = HEAD;
  respond(c);
}

/* One step with what has been read. 0: more is needed; -1: it makes no sense. */
static int step(struct connection *c) {
  switch (c->state) {
    case HEAD: {
      if (c->content_left || c->out_filled) return 0;
      char *end = memmem(c->in, c->filled, "\r\n\r\n", 4);
      if (!end) return c->filled == HEAD_MAX ? -1 : 0;
      *end = 0;
      if (sscanf(c->in, "%7s %8191s", c->method, c->target) != 2) return -1;
      end[0] = '\r';
      char saved = end[2];
      end[2] = '\r';
      end[3] = 0;
      const char *length = header(c->in, "content-length"), *coding = header(c->in, "transfer-encoding");
      const char *type = header(c->in, "content-type"), *expect = header(c->in, "expect");
      const char *boundary = type ? strstr(type, "boundary=") : NULL;
      c->boundary[0] = 0;
      if (boundary) sscanf(boundary + 9, "%127[^\r;]", c->boundary);
      end[2] = saved;
      c->body = c->head = c->matched = c->has_head = 0;
      c->left = length ? atoll(length) : 0;
      c->state = coding ? CHUNK_SIZE : BODY;
      if (expect) append(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
      consume(c, end + 4 - c->in);
      if (!coding && c->left == 0) finish(c);
      return 1;
    }
    case BODY:
    case CHUNK_DATA: {
      if (!c->filled) return 0;
      size_t n = (long long)c->filled < c->left ? c->filled : (size_t)c->left;
      scan(c, c->in, n);
      c->left -= n;
      c->body += n;
      consume(c, n);
      if (c->left == 0) {
        if (c->state == BODY) finish(c);
        else c->state = CHUNK_END;
      }
      return 1;
    }
    case CHUNK_END:
      if (c->filled < 2) return 0;
      c->state = CHUNK_SIZE;
      return consume(c, 2);
    case CHUNK_SIZE:
    case TRAILER: {
      char *end = memmem(c->in, c->filled, "\r\n", 2);
      if (!end) return c->filled > 1000 ? -1 : 0;
      int isEmpty = end == c->in;
      if (c->state == CHUNK_SIZE) {
        c->left = strtoll(c->in, NULL, 16);
        c->state = c->left ? CHUNK_DATA : TRAILER;
        return consume(c, end + 2 - c->in);
      }
      consume(c, end + 2 - c->in);
      if (isEmpty) finish(c);
      return 1;
    }
  }
  return -1;
}

static int readable(struct connection *c) {
  static char sink[BLOCK];
  for (int round = 0; round < 64; round++) {
    int drop = (c->state == BODY || c->state == CHUNK_DATA) && c->has_head && c->filled == 0;
    ssize_t n;
    if (drop) {
      long long most = c->left;
      if (rate > 0 && most > 256 << 10) most = 256 << 10;
#ifdef __linux__
      if (most > 1 << 30) most = 1 << 30;
      n = recv(c->fd, sink, most, MSG_TRUNC);
#else
      n = recv(c->fd, sink, most < BLOCK ? most : BLOCK, 0);
#endif
    } else {
      size_t room = HEAD_MAX - c->filled;
      /* Little, so that the data of a chunk can be dropped. */
      if (c->state != HEAD && room > 4096) room = 4096;
      if (c->state == CHUNK_SIZE && room > 16) room = 16;
      n = recv(c->fd, c->in + c->filled, room, 0);
    }
    if (n == 0) return -1;
    if (n < 0) return errno == EAGAIN ? 0 : -1;
    if (drop) {
      c->left -= n;
      c->body += n;
      if (c->left == 0) {
        if (c->state == BODY) finish(c);
        else c->state = CHUNK_END;
      }
      if (rate > 0) {
        double t = now_ms();
        if (c->not_before < t - 50) c->not_before = t - 50;
        c->not_before += n / rate * 1e3;
        if (c->not_before > t) break;
      }
    } else {
      c->filled += n;
      for (int more; (more = step(c)) != 0;) {
        if (more < 0) return -1;
      }
    }
    if (c->out_filled || c->content_left) break;
  }
  return 0;
}

static void drop(int i) {
  close(connections[i]->fd);
  free(connections[i]->out);
  free(connections[i]);
  connections[i] = connections[--count];
}

static int serve(void) {
  make_content();
  int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  socklen_t size = sizeof address;
  if (rate > 0) {
    int buffer = 256 << 10;
    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  }
  if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 1024) < 0) die("listen");
  getsockname(listener, (struct sockaddr *)&address, &size);
  fcntl(listener, F_SETFL, O_NONBLOCK);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  static struct pollfd polled[CONNECTIONS_MAX + 2];
  for (;;) {
    polled[0] = (struct pollfd){ .fd = 0, .events = POLLIN };
    polled[1] = (struct pollfd){ .fd = listener, .events = count < CONNECTIONS_MAX ? POLLIN : 0 };
    int polled_count = count, timeout = -1;
    double t = rate > 0 ? now_ms() : 0;
    for (int i = 0; i < count; i++) {
      struct connection *c = connections[i];
      int busy = c->out_filled || c->content_left, held = rate > 0 && c->not_before > t;
      polled[i + 2] = (struct pollfd){ .fd = held ? -1 : c->fd, .events = busy ? POLLOUT : POLLIN };
      if (held && (timeout < 0 || c->not_before - t < timeout)) timeout = (int)(c->not_before - t) + 1;
    }
    if (poll(polled, polled_count + 2, timeout) < 0 && errno != EINTR) die("poll");
    if (polled[0].revents) {
      char ignored[64];
      if (read(0, ignored, sizeof ignored) <= 0) return 0;
    }
    for (int i = polled_count - 1; i >= 0; i--) {
      struct connection *c = connections[i];
      if (!polled[i + 2].revents) continue;
      int gone = 0;
      if (polled[i + 2].revents & (POLLIN | POLLHUP | POLLERR)) gone = readable(c) < 0;
      /* A kept request in the buffer goes on when the answer before it is out. */
      while (!gone && (c->out_filled || c->content_left)) {
        int sent = flush(c);
        if (sent < 0) gone = 1;
        if (sent <= 0) break;
        int more;
        while ((more = step(c)) > 0) {}
        if (more < 0) gone = 1;
      }
      if (gone) drop(i);
    }
    if (polled[1].revents) {
      for (int fd; count < CONNECTIONS_MAX && (fd = accept(listener, NULL, NULL)) >= 0;) {
        fcntl(fd, F_SETFL, O_NONBLOCK);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct connection *c = calloc(1, sizeof *c);
        if (!c) die("calloc");
        c->fd = fd;
        connections[count++] = c;
      }
    }
  }
}

static int run(char **command) {
  double start = now_ms();
  pid_t child = fork();
  if (child == 0) {
    if (!freopen("/dev/null", "w", stdout)) _exit(126);
    execvp(command[0], command);
    _exit(127);
  }
  int status;
  struct rusage usage;
  if (wait4(child, &status, 0, &usage) < 0) die("wait4");
#ifdef __APPLE__
  long kilobytes = usage.ru_maxrss / 1024;
#else
  long kilobytes = usage.ru_maxrss;
#endif
  printf("{\"ms\":%.3f,\"cpuMs\":%.3f,\"rssKb\":%ld,\"exit\":%d}\n", now_ms() - start, cpu_ms(&usage), kilobytes,
    WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  return 0;
}

static int dial(int port) {
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port) };
  int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) die("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  return fd;
}

static void send_all(int fd, const char *data, size_t length) {
  while (length > 0) {
    ssize_t n = send(fd, data, length, MSG_NOSIGNAL);
    if (n < 0) die("send");
    data += n;
    length -= n;
  }
}

/* Reads one answer; its body goes to `out` if that is a file. */
static void receive(int fd, int out) {
  static char buffer[BLOCK];
  size_t filled = 0;
  char *end = NULL;
  while (!end) {
    ssize_t n = recv(fd, buffer + filled, sizeof buffer - filled, 0);
    if (n <= 0) die("recv");
    filled += n;
    end = memmem(buffer, filled, "\r\n\r\n", 4);
  }
  if (strncmp(buffer, "HTTP/1.1 200", 12)) die("status");
  *end = 0;
  long long left = number_after(buffer, "content-length: ", 0);
  size_t have = filled - (end + 4 - buffer);
  memmove(buffer, end + 4, have);
  for (;;) {
    if (out >= 0 && write(out, buffer, have) != (ssize_t)have) die("write");
    left -= have;
    if (left <= 0) break;
    ssize_t n = recv(fd, buffer, sizeof buffer, out >= 0 ? MSG_WAITALL * (left >= BLOCK) : 0);
    if (n <= 0) die("recv");
    have = n;
  }
}

static int load(int port, const char *what, int requests, int parallel, const char *file) {
  static const char head[] =
    "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\ncontent-type: application/octet-stream\r\n\r\n";
  static const char tail[] = "\r\n--x--\r\n";
  static char request[4096], body[1024];
  int sockets[64], source = -1;
  long long size = 1024;
  if (parallel < 1 || parallel > 64) return 1;
  for (int i = 0; i < parallel; i++) sockets[i] = dial(port);
  if (!strcmp(what, "upload")) {
    source = open(file, O_RDONLY);
    struct stat info;
    if (source < 0 || fstat(source, &info) < 0) die(file);
    size = info.st_size;
  }
  for (int n = 0; n < requests; n += parallel) {
    for (int i = 0; i < parallel; i++) {
      int at = 0;
      if (!strcmp(what, "upload") || !strcmp(what, "post")) {
        at = sprintf(request,
          "POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=x\r\ncontent-length: %lld\r\n\r\n%s",
          size + (long long)(sizeof head - 1 + sizeof tail - 1), head);
        if (source < 0) {
          memcpy(request + at, body, sizeof body);
          at += sizeof body;
          at += sprintf(request + at, "%s", tail);
        }
        send_all(sockets[i], request, at);
        if (source >= 0) {
#ifdef __linux__
          off_t offset = 0;
          while (offset < size) if (sendfile(sockets[i], source, &offset, size - offset) <= 0) die("sendfile");
#else
          static char block[BLOCK];
          for (ssize_t k; (k = read(source, block, sizeof block)) > 0;) send_all(sockets[i], block, k);
          lseek(source, 0, SEEK_SET);
#endif
          send_all(sockets[i], tail, sizeof tail - 1);
        }
        continue;
      }
      if (!strcmp(what, "metadata")) at = sprintf(request, "GET /v1/files/file_1024_%d HTTP/1.1\r\nhost: x\r\n\r\n", n + i);
      else if (!strcmp(what, "download")) at = sprintf(request, "GET /v1/files/file_500000000_1/content HTTP/1.1\r\nhost: x\r\n\r\n");
      else {
        int limit = atoi(what + 5);
        at = sprintf(request, "GET /t%d/v1/files?limit=%d&page=p%d HTTP/1.1\r\nhost: x\r\n\r\n", limit * requests, limit, (n + i) * limit);
      }
      send_all(sockets[i], request, at);
    }
    for (int i = 0; i < parallel; i++) {
      if (strcmp(what, "download")) receive(sockets[i], -1);
      else {
        char temporary[4096];
        snprintf(temporary, sizeof temporary, "%s.part", file);
        int out = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (out < 0) die(temporary);
        receive(sockets[i], out);
        if (fsync(out) < 0 || close(out) < 0 || rename(temporary, file) < 0) die(file);
      }
    }
  }
  return 0;
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  if (argc >= 2 && !strcmp(argv[1], "serve")) {
    rate = argc > 2 ? atof(argv[2]) : 0;
    return serve();
  }
  if (argc >= 3 && !strcmp(argv[1], "run")) return run(argv + 2);
  if (argc >= 6 && !strcmp(argv[1], "load")) {
    return load(atoi(argv[2]), argv[3], atoi(argv[4]), atoi(argv[5]), argc > 6 ? argv[6] : "");
  }
  return 2;
}
