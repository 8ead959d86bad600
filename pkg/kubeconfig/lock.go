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
// it. A lock that another process holds is waited for, never stolen: nothing tells
// a forgotten one from one in use. What it returns gives the locks back.
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

func take(ctx context.Context, name string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fmt.Errorf("locking a kubeconfig: %w", err)
	}
	for {
		file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL, 0)
		if err == nil {
			return file.Close()
		}
		if !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("locking a kubeconfig: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("locking a kubeconfig: %s is another process's: %w; if no kubectl or mkube runs, remove that file", name, context.Cause(ctx))
		case <-time.After(lockInterval):
		}
	}
}
