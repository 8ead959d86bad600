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
	lockPatience = 5 * time.Second
	lockInterval = 5 * time.Millisecond
)

// lock takes kubectl's lock of each file, FILE.lock, and makes missing folders for
// it. A lock that another process holds is waited for, and never stolen: nothing tells
// a forgotten one of kubectl's from one in use. Those of mkube say whose they are. What it
// returns gives the locks back.
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

// lockNames are in kubectl's order, so that no two wait for each other. kubectl
// locks a link by the link's name; the target's is taken too, for those who come
// by another link.
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

// take waits until it has made a lock file. One that a killed mkube left is removed; any
// other is waited for.
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

// makeLock makes a lock file with this process' mark in it, at once: a process that is
// killed leaves no lock of mkube's without a mark.
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
	// The file system has no hard links, or the error is one to be told of the lock.
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

// markFile is a new file with a mark in it, which others may read.
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

// holder tells whose a lock file is, and since when.
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
