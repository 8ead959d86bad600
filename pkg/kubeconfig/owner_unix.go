//go:build unix

package kubeconfig

import (
	"io/fs"
	"os"
	"syscall"
)

// keepOwner matters to "sudo mkube": the user is not to be locked out of a file
// that root wrote. The group gets no rights by mode 0600 and needs no care alone.
func keepOwner(file *os.File, old fs.FileInfo) error {
	stat, ok := old.Sys().(*syscall.Stat_t)
	if !ok || int(stat.Uid) == os.Geteuid() {
		return nil
	}
	return file.Chown(int(stat.Uid), int(stat.Gid))
}
