package kubeconfig

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// takeOver removes a lock file that a mkube has left when it ended, and reports whether it did. The
// kernel's lock of the file (flock) ensures that only one process does so at a time. It ends with
// the process, and takeOver holds it while it checks that the name still belongs to that file.
func takeOver(name string) bool {
	file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer file.Close()
	if syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return false
	}
	m, ok := readMark(file)
	if !ok || !m.dead() {
		return false
	}
	held, heldErr := file.Stat()
	now, nowErr := os.Lstat(name)
	if heldErr != nil || nowErr != nil || !os.SameFile(held, now) {
		return false
	}
	return os.Remove(name) == nil
}

// dead reports whether the process of a mark has certainly ended. It returns false for a process of
// another host, or of a PID namespace that is not visible here, because it may run.
func (m mark) dead() bool {
	here := newMark()
	if m.Host != here.Host || m.Machine != here.Machine || m.Boot == "" || here.Boot == "" {
		return false
	}
	if m.Boot != here.Boot {
		return true
	}
	if m.Namespace == "" || m.Namespace != here.Namespace {
		return false
	}
	if errors.Is(syscall.Kill(m.PID, 0), syscall.ESRCH) {
		return true
	}
	start := startOf(m.PID)
	return start != "" && m.Start != "" && start != m.Start
}

func thisSystem() system {
	namespace, _ := os.Readlink("/proc/self/ns/pid") // if unknown, no other mkube removes the lock during this boot
	return system{
		Machine: line("/etc/machine-id"), Boot: line("/proc/sys/kernel/random/boot_id"),
		Namespace: namespace, Start: startOf(os.Getpid()),
	}
}

// line returns the content of a file with one line, "" if it cannot be read.
func line(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// startOf returns the start time of a process, in ticks since the boot, see proc_pid_stat(5). It is
// "" if that cannot be read.
func startOf(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The second field is the program's name, which may contain blanks and parentheses.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	const startTime = 22 - 3 // the fields after the name start with the third
	if len(fields) <= startTime {
		return ""
	}
	return fields[startTime]
}
