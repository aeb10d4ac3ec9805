"""Uses what programs of some size use. Its exit code is 21 and nothing is on standard error."""

import fcntl
import hashlib
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

assert sys.argv[1:] == ["an argument"], sys.argv
assert os.getuid() == 0 and os.getpid() == 1 and os.environ["HOME"] == "/root"


def threads():
    total, lock = [0], threading.Lock()

    def work(number):
        for turn in range(200):
            digest = hashlib.sha256(b"%d/%d" % (number, turn)).digest()
            with lock:
                total[0] += digest[0] >= 0

    workers = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert total[0] == 32 * 200


def processes():
    done = subprocess.run(["sh", "-c", "cat; echo $0; exit 9"], input=b"in\n", capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (9, b"in\nsh\n", b""), done
    children = [subprocess.Popen(["sleep", "100"], start_new_session=True) for _ in range(5)]
    for child in children:
        child.terminate()
    assert [child.wait() for child in children] == [-signal.SIGTERM] * 5
    child = os.fork()
    if child == 0:
        os._exit(os.getppid() % 256 + 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == os.getpid() % 256 + 1
    pid = os.posix_spawn("/bin/true", ["true"], {})
    handle = os.pidfd_open(pid)
    select.select([handle], [], [])
    assert os.waitid(os.P_PIDFD, handle, os.WEXITED).si_status == 0


def sockets():
    for family, address in [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]:
        with socket.create_server((address, 0), family=family) as server:
            client = socket.create_connection(server.getsockname()[:2])
            peer, _ = server.accept()
            client.sendall(b"x" * 100000)
            client.shutdown(socket.SHUT_WR)
            received = 0
            while data := peer.recv(65536):
                received += len(data)
            assert received == 100000
            client.close()
            peer.close()
    with socket.create_server(("127.0.0.1", 80)):
        pass
    left, right = socket.socketpair()
    poll = select.epoll()
    poll.register(right, select.EPOLLIN)
    read, write = os.pipe()
    socket.send_fds(left, [b"fd"], [write])
    assert poll.poll(10)[0][0] == right.fileno()
    os.write(socket.recv_fds(right, 10, 1)[1][0], b"through")
    assert os.read(read, 10) == b"through"


def signals():
    seen = []
    signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    signal.signal(signal.SIGALRM, lambda number, frame: seen.append(number))
    os.kill(os.getpid(), signal.SIGUSR1)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    while len(seen) < 2:
        time.sleep(0.01)
    assert seen == [signal.SIGUSR1, signal.SIGALRM], seen


def files():
    with tempfile.TemporaryDirectory() as place:
        path = os.path.join(place, "file")
        with open(path, "wb+") as file:
            os.posix_fallocate(file.fileno(), 0, 1 << 20)
            fcntl.flock(file, fcntl.LOCK_EX)
            os.pwritev(file.fileno(), [b"by", b"tes"], 0)
            os.fsync(file.fileno())
        os.link(path, path + "2")
        os.symlink("file", path + "3")
        os.chmod(path, 0o2755)
        os.setxattr(path, "user.note", b"value")
        assert os.getxattr(path, "user.note") == b"value"
        with open(path, "rb") as source, open(path + "4", "wb") as copy:
            assert os.copy_file_range(source.fileno(), copy.fileno(), 5) == 5
        assert open(path + "4", "rb").read() == b"bytes"
        assert os.stat(path).st_nlink == 2
    memory = os.memfd_create("name")
    os.write(memory, b"in memory")
    assert os.pread(memory, 9, 0) == b"in memory"


def system():
    assert os.cpu_count() >= 1 and os.sched_getaffinity(0)
    os.sched_yield()
    assert len(os.getrandom(16)) == 16
    assert os.uname().nodename and os.getloadavg()

for part in (threads, processes, sockets, signals, files, system):
    part()
print("everything works")
sys.exit(21)
