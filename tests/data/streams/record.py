#!/usr/bin/env python3
"""Records what programs write to a terminal of 80x24, and what tmux makes of it. See README.md."""

import os, pty, select, struct, subprocess, sys, fcntl, termios, tempfile

SAMPLE = "".join(f"line {n}: {'word ' * (n % 9)}\n" for n in range(1, 120))
CJK = "漢字かな交じり文、한글 문장, 中文\n" * 6 + "ﾊﾝｶｸ e\u0301 ñ 😀 ✓ ─│┌┐\n" + "全角" * 45 + "\n"
CODE = "".join(f"@wrapped\ndef area_{n}(r: float) -> str:\n    # the {n}th\n    return f'{{r ** {n}}}' if r else None\n\n" for n in range(9))
STYLES = (
    "for n in 1 2 3 4 5 7 8 9 21 53; do printf \"\\e[${n}mstyle $n\\e[0m \"; done; echo; "
    "for n in $(seq 0 17 255); do printf \"\\e[38;5;${n}mf\\e[48;5;${n}mb\\e[0m\"; done; echo; "
    "for n in $(seq 0 10 250); do printf \"\\e[38;2;$n;80;${n}mx\\e[48;2;0;$n;9my\\e[0m\"; done; echo; "
    "printf '\\e[4:3mcurly\\e[4:2mdouble\\e[4:4mdotted\\e[4:5mdashed\\e[24moff\\e[0m\\n'; "
    "printf '\\e[44mto the end\\e[K\\e[0m\\n\\e[41mabc\\e[1P\\e[2@\\e[4X\\e[0m\\n'; "
    "printf '\\e[97;100mbright\\e[39;49m plain \\e[7;31;42mswapped\\e[27m not\\e[0m\\n'; "
    "printf '\\e(0lqwqk\\nx x x\\nmqvqj\\e(B\\n'; printf 'tabs\\there\\tthere\\n'\r"
)
# A process table without data of this machine.
APART = ["unshare", "--pid", "--fork", "--mount-proc", "--uts", "sh", "-c", 'hostname host; "$@"', "sh"]
BASH = ["bash", "--norc", "--noprofile"]

# Name, command, input. Each piece is typed after the program has been quiet for a moment.
PROGRAMS = [
    ("bash", BASH, ["ls --color=always -d /usr/*\r", "printf '\\e[1;31mred\\e[0m \\e[7mrev\\e[0m\\n'\r", "echo abcdef\x1b[D\x1b[DX"]),
    ("vim", ["vim", "-u", "NONE", "-c", "syntax on", "-c", "set nu nocompatible mouse=a", "sample"], ["20Gdd", "ihello\x1b", ":split\r", "/word word\r"]),
    ("vim-colours", ["vim", "-u", "NONE", "-c", "syntax on", "-c", "set termguicolors hlsearch cursorline bg=dark | colorscheme desert", "sample.py"], ["jj/area\r", "n"]),
    ("styles", BASH, ["clear\r", STYLES]),
    ("less", ["less", "sample"], [" ", "/line 7\r", "jj"]),
    ("htop", APART + ["htop", "-d", "100"], ["\x1bOB\x1bOB"]),
    ("top", APART + ["top", "-d", "60"], []),
    ("tmux", ["tmux", "-f", "/dev/null", "-L", "recording", "start", ";", "set", "-g", "default-command", "exec env PS1='$ ' bash --norc --noprofile", ";", "set", "-g", "status-right", "", ";", "new-session"], ["\x02%", "echo right\r", "\x02\"", "ls -d /usr/*\r"]),
    ("python", ["python3", "-q"], ["import sys\r", "[n ** 2 for n in range(12)]\r", "1 / 0\r", "'unfinished"]),
    ("nano", ["nano", "-I", "sample"], ["\x1b[B\x1b[Btyped\x1b[6~", "\x17line 9\r"]),
    ("cjk", BASH, ["cat cjk\r"]),
    ("cjk-vim", ["vim", "-u", "NONE", "-c", "set nu encoding=utf-8", "cjk"], ["jlllx", "Go新しい行\x1b"]),
]


def record(command, typed, folder):
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(folder)
        env = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "PS1": "$ ", "PATH": os.environ["PATH"], "HOME": folder}
        os.execvpe(command[0], command, env)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    stream = b""
    pieces = list(typed)
    while True:
        ready, _, _ = select.select([fd], [], [], 1.5)
        if ready:
            data = os.read(fd, 65536)
            stream += data
            # The queries that programs wait for, with the answers of our screen model.
            if b"\x1b[c" in data:
                os.write(fd, b"\x1b[?62;22c")
        elif pieces:
            os.write(fd, pieces.pop(0).encode())
        else:
            break
    os.kill(pid, 9)
    os.close(fd)
    os.waitpid(pid, 0)
    return stream


def shown(path):
    # A separate server, because one that was just killed may still be running.
    tmux = ["tmux", "-f", "/dev/null", "-L", "showing-" + os.path.basename(path)]
    done = path + ".done"
    script = f"stty raw -echo; cat '{path}'; touch '{done}'; exec sleep 60"
    env = dict(os.environ, LANG="C.UTF-8")
    subprocess.run(tmux + ["new-session", "-d", "-x", "80", "-y", "24", script, ";", "set", "status", "off"], check=True, env=env)
    while not os.path.exists(done):
        select.select([], [], [], 0.1)
    select.select([], [], [], 0.5)
    screen = subprocess.run(tmux + ["capture-pane", "-p", "-e", "-N"], check=True, capture_output=True).stdout
    cursor = subprocess.run(tmux + ["display-message", "-p", "#{cursor_x},#{cursor_y}"], check=True, capture_output=True).stdout
    subprocess.run(tmux + ["kill-server"])
    os.remove(done)
    return screen, cursor


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    screens_only = sys.argv[1:2] == ["--screens"]
    wanted = sys.argv[2:] if screens_only else sys.argv[1:]
    for name, command, typed in PROGRAMS:
        if wanted and name not in wanted:
            continue
        path = os.path.join(here, name + ".stream")
        if not screens_only:
            with tempfile.TemporaryDirectory() as folder:
                open(os.path.join(folder, "sample"), "w").write(SAMPLE)
                open(os.path.join(folder, "cjk"), "w").write(CJK)
                open(os.path.join(folder, "sample.py"), "w").write(CODE)
                stream = record(command, typed, folder)
            open(path, "wb").write(stream)
        screen, cursor = shown(path)
        open(os.path.join(here, name + ".screen"), "wb").write(screen + b"cursor " + cursor)
        print(name, os.path.getsize(path), "bytes")
    subprocess.run(["tmux", "-L", "recording", "kill-server"], stderr=subprocess.DEVNULL)


main()
