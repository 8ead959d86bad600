package kubeconfig

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Check returns an error if Merge could not add an entry with this name to the files. It checks
// that the files can be read, that no process holds their locks for longer than Merge would wait,
// and that they can be written, which it tries with a file next to each. When Check returns, it
// holds no lock, and has left no file or folder.
func Check(ctx context.Context, paths []string, name string) error {
	p, docs, err := place(paths, name, true)
	if err != nil {
		return err
	}
	var errs []error
	var there []string
	for _, path := range p.files() {
		exists, err := checkFolder(path)
		if err != nil {
			errs = append(errs, unwritable(path, err))
		} else if exists {
			there = append(there, path)
		}
	}
	if len(there) > 0 {
		errs = append(errs, checkLocked(ctx, there, docs))
	}
	return errors.Join(errs...)
}

// unwritable returns the error for a file that Merge could not write.
func unwritable(path string, err error) error {
	return fmt.Errorf("kubeconfig %s cannot be written: %w (choose another file with --kubeconfig or $KUBECONFIG)", path, err)
}

// checkFolder reports whether the folder of a file exists. If it does not, the error says whether
// it could be created.
func checkFolder(path string) (exists bool, err error) {
	target, err := follow(path)
	if err != nil {
		return false, err
	}
	folder := filepath.Dir(target)
	above, err := nearest(folder)
	if err != nil || above == folder {
		return err == nil, err
	}
	temp, err := os.MkdirTemp(above, ".kubeconfig-*")
	if err != nil {
		return false, err
	}
	return false, os.Remove(temp)
}

// nearest returns the folder, or the nearest folder above it that exists.
func nearest(folder string) (string, error) {
	for {
		info, err := os.Stat(folder)
		switch {
		case err == nil && info.IsDir():
			return folder, nil
		case err == nil:
			return "", fmt.Errorf("%s is not a folder", folder)
		case !errors.Is(err, fs.ErrNotExist):
			return "", err
		}
		if _, err := os.Lstat(folder); err == nil {
			return "", fmt.Errorf("%s is a symbolic link to a folder that does not exist", folder)
		}
		above := filepath.Dir(folder)
		if above == folder {
			return "", err
		}
		folder = above
	}
}

// checkLocked tries to write files in existing folders, under their locks.
func checkLocked(ctx context.Context, paths []string, docs map[string]*document) (err error) {
	unlock, err := lock(ctx, paths)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	var errs []error
	for _, path := range slices.Compact(paths) {
		if err := tryWrite(path, len(docs[path].source)); err != nil {
			errs = append(errs, unwritable(path, err))
		}
	}
	return errors.Join(errs...)
}

// entrySize, in bytes, is more than an entry needs, so that tryWrite fails on a full disk.
const entrySize = 16 << 10

// tryWrite does what replace does, except for the replacement.
func tryWrite(path string, size int) error {
	target, err := follow(path)
	if err != nil {
		return err
	}
	if _, err := writable(target); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(target), ".kubeconfig-*")
	if err != nil {
		return err
	}
	return errors.Join(fill(temp, make([]byte, size+entrySize), nil), temp.Close(), os.Remove(temp.Name()))
}
