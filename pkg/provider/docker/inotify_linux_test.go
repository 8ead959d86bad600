package docker

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// procWith returns a /proc with a limit and processes: the user of each, and the targets of its
// descriptors.
func procWith(t *testing.T, limit string, users []string, descriptors [][]string) string {
	t.Helper()
	proc := t.TempDir()
	write := func(path, text string) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(proc, "sys/fs/inotify/max_user_instances"), limit)
	write(filepath.Join(proc, "meminfo"), "")
	for i, user := range users {
		// No process has such a number, so kcmp fails for them.
		dir := filepath.Join(proc, strconv.Itoa(1<<30+i))
		write(filepath.Join(dir, "status"), fmt.Sprintf("Name:\tx\nUid:\t7\t%s\t7\t7\n", user))
		if err := os.Mkdir(filepath.Join(dir, "fd"), 0o755); err != nil {
			t.Fatal(err)
		}
		for fd, target := range descriptors[i] {
			if err := os.Symlink(target, filepath.Join(dir, "fd", strconv.Itoa(fd))); err != nil {
				t.Fatal(err)
			}
		}
	}
	return proc
}

func TestInotifyOf(t *testing.T) {
	t.Parallel()
	const inotify = "anon_inode:inotify"
	users := []string{"0", "1000", "0"}
	descriptors := [][]string{{"/dev/null", inotify, inotify}, {inotify, inotify, inotify}, {"anon_inode:[eventfd]", inotify}}
	for name, test := range map[string]struct {
		limit       string
		uid         int
		limited, in int
		ok          bool
	}{
		"as root, root's alone are counted":     {"128\n", 0, 128, 3, true},
		"as another, root's cannot be seen":     {"128\n", 1000, 128, 0, true},
		"a limit that is no number is not told": {"many\n", 0, 0, 0, false},
	} {
		limit, used, ok := inotifyOf(procWith(t, test.limit, users, descriptors), test.uid)
		if limit != test.limited || used != test.in || ok != test.ok {
			t.Errorf("%s: %d, %d, %t; want %d, %d, %t", name, limit, used, ok, test.limited, test.in, test.ok)
		}
	}
	if _, _, ok := inotifyOf(t.TempDir(), 0); ok {
		t.Error("there is a limit where there is no file of it")
	}
}

// TestDistinct checks that an instance counts once, regardless of the number of its descriptors.
func TestDistinct(t *testing.T) {
	t.Parallel()
	var files []openFile
	for range 3 {
		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		again, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		defer unix.Close(again)
		files = append(files, openFile{os.Getpid(), fd}, openFile{os.Getpid(), again})
	}
	found := inotifyFiles("/proc/self/fd", os.Getpid())
	for _, f := range files {
		if !slices.Contains(found, f) {
			t.Errorf("descriptor %d is not found in %v", f.fd, found)
		}
	}
	want, self := 3, uintptr(os.Getpid())
	if _, _, errno := unix.Syscall6(unix.SYS_KCMP, self, self, 0, uintptr(files[0].fd), uintptr(files[1].fd), 0); errno != 0 {
		want = 6 // the kernel or a sandbox has no kcmp
	}
	if got := distinct(files); got != want {
		t.Errorf("three instances with two descriptors each are counted as %d; want %d", got, want)
	}
}
