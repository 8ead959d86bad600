package kubeconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// read gives the kubeconfig in a file. None, or what is no regular file (often
// /dev/null), is an empty one.
func read(path string) (*document, error) {
	doc, err := load(path)
	if err != nil {
		return nil, fmt.Errorf("reading kubeconfig %s: %w", path, err)
	}
	return doc, nil
}

func load(path string) (*document, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return parse(nil)
	}
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	doc, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%w (fix it, or choose another file with --kubeconfig)", err)
	}
	return doc, nil
}

// write puts data in the place of a file at once, so that no one ever reads half
// of it. A link stays and its target is replaced. The file's mode is 0600 then, as
// it holds private keys; its owner stays.
func write(path string, data []byte) error {
	if err := replace(path, data); err != nil {
		return fmt.Errorf("writing kubeconfig %s: %w", path, err)
	}
	return nil
}

func replace(path string, data []byte) error {
	target, err := follow(path)
	if err != nil {
		return err
	}
	old, err := writable(target)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(target), ".kubeconfig-*") // its mode is 0600
	if err != nil {
		return err
	}
	if err := errors.Join(fill(temp, data, old), temp.Close()); err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	err = os.Rename(temp.Name(), target)
	if errors.Is(err, syscall.EBUSY) {
		// The file itself is a mount, as in a container that was given only it.
		err = overwrite(target, data)
	} else if err == nil {
		return nil
	}
	return errors.Join(err, os.Remove(temp.Name()))
}

// overwrite writes a file in place: another may read half of it.
func overwrite(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Chmod(0o600), file.Sync(), file.Close())
}

func fill(file *os.File, data []byte, old fs.FileInfo) error {
	if _, err := file.Write(data); err != nil {
		return err
	}
	if old != nil {
		if err := keepOwner(file, old); err != nil {
			return err
		}
	}
	return file.Sync()
}

// writable tells about the file to be replaced, nil if there is none. One that may
// not be written to is not to be replaced either, though its folder would let it.
func writable(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file: choose another with --kubeconfig or $KUBECONFIG")
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	return info, file.Close()
}

// follow is where a path leads through symbolic links, also to where nothing is yet.
func follow(path string) (string, error) {
	const most = 40 // Linux's limit, path_resolution(7)
	at := path
	for range most {
		next, err := os.Readlink(at)
		if err != nil {
			return at, nil // no link, or nothing there
		}
		if !filepath.IsAbs(next) {
			folder, err := filepath.EvalSymlinks(filepath.Dir(at))
			if err != nil {
				return "", err
			}
			next = filepath.Join(folder, next)
		}
		at = next
	}
	return "", fmt.Errorf("following %s: too many symbolic links", path)
}
