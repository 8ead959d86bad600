package nodeimage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"time"

	"github.com/mkube/mkube/pkg/progress"
)

// part is one Go module of the image and the binaries that are built from it.
type part struct {
	name     string
	short    string
	wait     string   // what to say to who waits for the first build
	dir      string   // the module's folder
	packages []string // what go build is given
	ldflags  string
	tags     string
}

// buildParts builds one part after the other: the compiler uses all cores by itself.
func (b *builder) buildParts(ctx context.Context) error {
	for _, p := range b.parts {
		err := b.step(p.name, func() (string, error) { return b.buildPart(ctx, p) })
		if err != nil {
			return fmt.Errorf("building %s: %w", p.name, err)
		}
	}
	return nil
}

func (b *builder) buildPart(ctx context.Context, p part) (detail string, err error) {
	out, err := b.output(p)
	if err != nil {
		return "", err
	}
	return b.cached(out, func(dir string) error {
		b.event(progress.Event{Step: p.name, State: progress.Running, Detail: p.wait})
		return b.compile(ctx, p, dir, "build")
	})
}

// compile lets a go command (build, or test -c) write a part's binaries into dir.
func (b *builder) compile(ctx context.Context, p part, dir string, command ...string) error {
	args := append([]string{"go"}, command...)
	args = append(args, "-trimpath", "-ldflags", "-s -w "+p.ldflags, "-tags", p.tags, "-o", dir+"/")
	return b.run(ctx, p.dir, goEnv, append(args, p.packages...)...)
}

// goEnv makes static binaries, and keeps a workspace or flags of the user's from
// changing what is built.
var goEnv = []string{"CGO_ENABLED=0", "GOOS=linux", "GOWORK=off", "GOFLAGS=-buildvcs=false"}

// cached makes a folder of the cache by build, unless it is there. It appears
// whole or not at all.
func (b *builder) cached(dir string, build func(dir string) error) (detail string, err error) {
	if exists(dir) {
		now := time.Now()
		return "unchanged", os.Chtimes(dir, now, now)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".building-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return "", err
	}
	if err := build(tmp); err != nil {
		return "", err
	}
	if err := os.Rename(tmp, dir); err != nil && !exists(dir) {
		return "", err
	}
	prune(dir)
	return "built", nil
}

// keep is how long an entry of the cache outlives its last use.
const keep = 14 * 24 * time.Hour

// prune removes the other entries beside dir that were long not used, and what
// interrupted builds left.
func prune(dir string) {
	entries, err := os.ReadDir(filepath.Dir(dir))
	if err != nil {
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && time.Since(info.ModTime()) > keep && e.Name() != filepath.Base(dir) {
			os.RemoveAll(filepath.Join(filepath.Dir(dir), e.Name()))
		}
	}
}

// output is the part's folder in the cache: its name is the digest of all that the
// build reads.
func (b *builder) output(p part) (string, error) {
	version, err := goVersion()
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	fmt.Fprintf(hash, "%s linux/%s %q %q %q\n", version, runtime.GOARCH, p.packages, p.ldflags, p.tags)
	if err := hashTree(hash, p.dir, isTest); err != nil {
		return "", err
	}
	if err := hashLocals(hash, p.dir); err != nil {
		return "", err
	}
	return filepath.Join(b.Cache, p.name, hex.EncodeToString(hash.Sum(nil))[:24]), nil
}

func goVersion() (string, error) {
	out, err := exec.Command("go", "env", "GOVERSION").Output()
	if err != nil {
		return "", fmt.Errorf("reading the version of go: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// isTest reports whether a file is of a Go package's tests, which no build reads.
func isTest(name string) bool { return strings.HasSuffix(name, "_test.go") }

// isNone skips no file.
func isNone(string) bool { return false }

// hashTree adds every file below dir but those whose names skip accepts, with its path
// and mode, in a stable order.
func hashTree(w io.Writer, dir string, skip func(name string) bool) error {
	var paths []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !skip(d.Name()) {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	sort.Strings(paths)
	for _, path := range paths {
		if err := hashFile(w, dir, path); err != nil {
			return err
		}
	}
	return nil
}

func hashFile(w io.Writer, dir, path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(path)
		fmt.Fprintf(w, "%s -> %s\n", rel, target)
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s %v %d\n", rel, info.Mode().Perm()&0o111 != 0, len(data))
	_, err = w.Write(data)
	return err
}
