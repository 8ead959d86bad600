package docker

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// inotifyOf reads the limit of inotify instances for each user, and counts those that root uses.
// Only root can see all of them. For other users, used is 0, so that they still get a warning if
// the limit alone is too low. See inotify(7) and user_namespaces(7).
func inotifyOf(proc string, uid int) (limit, used int, ok bool) {
	data, err := os.ReadFile(filepath.Join(proc, "sys/fs/inotify/max_user_instances"))
	if err != nil {
		return 0, 0, false // the kernel has no such limit
	}
	if limit, err = strconv.Atoi(strings.TrimSpace(string(data))); err != nil {
		return 0, 0, false
	}
	if uid != 0 {
		return limit, 0, true
	}
	return limit, rootsInstances(proc), true
}

// An openFile is a file descriptor of a process.
type openFile struct{ pid, fd int }

// rootsInstances returns the number of inotify instances of root's processes. A descriptor that a
// child has inherited is the same instance.
func rootsInstances(proc string) int {
	processes, err := os.ReadDir(proc)
	if err != nil {
		return 0
	}
	var files []openFile
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil || effectiveUser(filepath.Join(proc, p.Name(), "status")) != "0" {
			continue
		}
		files = append(files, inotifyFiles(filepath.Join(proc, p.Name(), "fd"), pid)...)
	}
	return distinct(files)
}

// effectiveUser returns the user to whom the kernel attributes what a process opens, "" if the
// process has ended. root of another user namespace has a different number here, because /proc
// shows users as this namespace sees them.
func effectiveUser(status string) string {
	data, err := os.ReadFile(status)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		// The fields are: Uid:, real, effective, saved, file system.
		if fields := strings.Fields(line); len(fields) == 5 && fields[0] == "Uid:" {
			return fields[2]
		}
	}
	return ""
}

func inotifyFiles(dir string, pid int) []openFile {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var files []openFile
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if target, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil && target == "anon_inode:inotify" {
			files = append(files, openFile{pid, fd})
		}
	}
	return files
}

// distinct returns the number of different files. The links in /proc do not distinguish two
// instances, because all anonymous files have one inode. kcmp(2) does, and returns an order. If the
// kernel has no kcmp, distinct counts all files as different.
func distinct(files []openFile) int {
	known := true
	compare := func(a, b openFile) int {
		const kcmpFile = 0
		order, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(a.pid), uintptr(b.pid), kcmpFile, uintptr(a.fd), uintptr(b.fd), 0)
		switch {
		case errno != 0 || order > 2:
			known = false // or a process has ended in the meantime
			return cmp.Or(a.pid-b.pid, a.fd-b.fd)
		case order == 2:
			return 1
		}
		return -int(order)
	}
	sorted := slices.Clone(files)
	slices.SortFunc(sorted, compare)
	if !known {
		return len(files)
	}
	return len(slices.CompactFunc(sorted, func(a, b openFile) bool { return compare(a, b) == 0 }))
}
