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

// inotifyOf reads the limit of inotify instances for each user, and counts root's. Only
// root sees them all: for others used is 0, so that they hear of a limit that is too low in
// itself. See inotify(7) and user_namespaces(7).
func inotifyOf(proc string, uid int) (limit, used int, ok bool) {
	data, err := os.ReadFile(filepath.Join(proc, "sys/fs/inotify/max_user_instances"))
	if err != nil {
		return 0, 0, false // no such limit
	}
	if limit, err = strconv.Atoi(strings.TrimSpace(string(data))); err != nil {
		return 0, 0, false
	}
	if uid != 0 {
		return limit, 0, true
	}
	return limit, rootsInstances(proc), true
}

// An openFile is a descriptor of a process.
type openFile struct{ pid, fd int }

// rootsInstances counts the inotify instances of root's processes. A descriptor that a
// child inherited is the same instance.
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

// effectiveUser is the user to whom the kernel counts what a process opens, "" for a
// process that has ended. In a user namespace it is another's number and not the kernel's
// root; proc shows them as this namespace sees them.
func effectiveUser(status string) string {
	data, err := os.ReadFile(status)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		// Uid: real, effective, saved, file system
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

// distinct counts files that differ. Links in /proc do not tell two instances apart, as all
// anonymous files have one inode; kcmp(2) does, and gives them an order. Where the
// kernel has no kcmp, all are taken to differ.
func distinct(files []openFile) int {
	known := true
	compare := func(a, b openFile) int {
		const kcmpFile = 0
		order, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(a.pid), uintptr(b.pid), kcmpFile, uintptr(a.fd), uintptr(b.fd), 0)
		switch {
		case errno != 0 || order > 2:
			known = false // or a process has ended in between
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
