"""Runs a program on a pseudo-terminal: what it prints goes to standard output, what comes on standard input is typed.

    python3 run.py COLUMNS ROWS PROGRAM ARGUMENT…

A line that begins with a NUL resizes the terminal: NUL COLUMNS "," ROWS LF. Ends with the program's exit code, 128 and
the signal's number where one ended it.
"""
import fcntl, os, pty, select, signal, struct, sys, termios


def resize(fd, columns, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


columns, rows, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
pid, fd = pty.fork()
if pid == 0:
    # The size is set before the program starts.
    resize(0, columns, rows)
    os.execvp(program[0], program)
resize(fd, columns, rows)
signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
inputs = [fd, 0]
while True:
    ready, _, _ = select.select(inputs, [], [])
    if 0 in ready:
        typed = os.read(0, 4096)
        if not typed:
            inputs.remove(0)
        elif typed.startswith(b"\0"):
            columns, rows = (int(part) for part in typed[1:].split(b"\n")[0].split(b","))
            resize(fd, columns, rows)
            os.kill(pid, signal.SIGWINCH)
        else:
            os.write(fd, typed)
    if fd in ready:
        try:
            shown = os.read(fd, 65536)
        except OSError:
            break
        if not shown:
            break
        os.write(1, shown)
_, status = os.waitpid(pid, 0)
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
