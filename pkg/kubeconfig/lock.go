package kubeconfig

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	// lockPatience is the time limit for all locks of one call, and lockInterval the time between
	// two attempts to create a lock file.
	lockPatience = 5 * time.Second
	lockInterval = 5 * time.Millisecond
)

// lock creates kubectl's lock file of each file, FILE.lock, and missing folders for it. It waits
// for a lock that another process holds. It does not remove such a lock, because a lock file of
// kubectl that was left behind looks like one in use. Lock files of mkube name their process, so
// that take can remove those. The returned function removes the locks.
func lock(ctx context.Context, paths []string) (unlock func() error, err error) {
	names, err := lockNames(paths)
	if err != nil {
		return nil, err
	}
	var taken []string
	unlock = func() error {
		var errs []error
		for _, name := range taken {
			errs = append(errs, os.Remove(name))
		}
		return errors.Join(errs...)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, lockPatience, fmt.Errorf("gave up after %s", lockPatience))
	defer cancel()
	for _, name := range names {
		if err := take(ctx, name); err != nil {
			return nil, errors.Join(err, unlock())
		}
		taken = append(taken, name)
	}
	return unlock, nil
}

// lockNames returns the names of lock files in the order of kubectl, which prevents a deadlock. For
// a symbolic link, kubectl locks the name of the link. mkube also locks that of the target, for
// processes that use another link.
func lockNames(paths []string) ([]string, error) {
	var names []string
	for _, path := range paths {
		target, err := follow(path)
		if err != nil {
			return nil, err
		}
		names = append(names, path+".lock", target+".lock")
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// take waits until it has created a lock file. It removes a lock file that a killed mkube has left,
// and waits for any other.
func take(ctx context.Context, name string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fmt.Errorf("locking a kubeconfig: %w", err)
	}
	for {
		err := makeLock(name)
		if err == nil {
			return nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("locking a kubeconfig: %w", err)
		}
		if takeOver(name) {
			continue
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("locking a kubeconfig: %s: %w; if that process does not run any more, remove the file", holder(name), context.Cause(ctx))
		case <-time.After(lockInterval):
		}
	}
}

// makeLock creates a lock file that contains the mark of this process. It does so atomically if the
// file system has hard links, so that a killed mkube leaves no lock file without a mark.
func makeLock(name string) error {
	if _, err := os.Lstat(name); err == nil {
		return fs.ErrExist
	}
	mark := newMark().encode()
	if temp, err := markFile(filepath.Dir(name), mark); err == nil {
		linkErr := os.Link(temp, name)
		if err := os.Remove(temp); err != nil {
			return err
		}
		if linkErr == nil || errors.Is(linkErr, fs.ErrExist) {
			return linkErr
		}
	}
	// The file system has no hard links, or the folder is not writable: then the error below is the
	// one to report.
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(mark)
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

// markFile creates a new file that contains a mark and that all users can read.
func markFile(folder string, mark []byte) (string, error) {
	file, err := os.CreateTemp(folder, ".kubeconfig-lock-*")
	if err != nil {
		return "", err
	}
	_, err = file.Write(mark)
	if err = errors.Join(err, file.Chmod(0o644), file.Close()); err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	return file.Name(), nil
}

// holder describes the process that created a lock file, and its age.
func holder(name string) string {
	who, age := "another program, such as kubectl,", ""
	if file, err := os.Open(name); err == nil {
		defer file.Close()
		if m, ok := readMark(file); ok {
			who = fmt.Sprintf("mkube (process %d on host %s)", m.PID, m.Host)
		}
	}
	if info, err := os.Lstat(name); err == nil {
		age = fmt.Sprintf(" %s ago", max(0, time.Since(info.ModTime())).Round(time.Second))
	}
	return fmt.Sprintf("%s was created by %s%s", name, who, age)
}
