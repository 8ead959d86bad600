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
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/mkube/mkube/pkg/progress"
)

// part is one Go module of the image, with the binaries that are built from it.
type part struct {
	name     string
	short    string
	wait     string   // the message during the first build
	dir      string   // the folder of the module
	packages []string // the arguments of go build
	ldflags  string
	tags     string
	cgo      bool // the part has C code
}

// buildParts builds one part after the other, because the compiler uses all cores for one part.
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

// compile runs a go command (build, or test -c) that writes the binaries of a part into dir.
func (b *builder) compile(ctx context.Context, p part, dir string, command ...string) error {
	args := append([]string{"go"}, command...)
	env, ldflags := goEnv, "-s -w "+p.ldflags
	if p.cgo {
		// The C library of the host may be newer than that of the base, so it is linked statically.
		env, ldflags = append(slices.Clone(goEnv), "CGO_ENABLED=1"), ldflags+" -extldflags -static"
	}
	args = append(args, "-trimpath", "-ldflags", ldflags, "-tags", p.tags, "-o", dir+"/")
	return b.run(ctx, p.dir, env, append(args, p.packages...)...)
}

// goEnv makes binaries static, and makes the build independent of the user's workspace and flags.
var goEnv = []string{"CGO_ENABLED=0", "GOOS=linux", "GOWORK=off", "GOFLAGS=-buildvcs=false"}

// cached calls build to write a folder of the cache, unless the folder exists. The folder is never
// incomplete: build writes a temporary folder, which cached renames. The time of the folder is
// that of its last use.
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

// keep is the time for which an entry of the cache is kept after its last use.
const keep = 14 * 24 * time.Hour

// prune removes the other entries in the folder of dir that were not used for that time, and what
// interrupted builds left. It ignores errors: the next build prunes again.
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

// output returns the folder of a part in the cache. The name of the folder is the digest of
// everything that the build reads.
func (b *builder) output(p part) (string, error) {
	version, err := goVersion()
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	fmt.Fprintf(hash, "%s linux/%s %q %q %q %t\n", version, runtime.GOARCH, p.packages, p.ldflags, p.tags, p.cgo)
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

// isTest reports whether a file is a test of a Go package. No build reads such a file.
func isTest(name string) bool { return strings.HasSuffix(name, "_test.go") }

// isNone skips no file.
func isNone(string) bool { return false }

// hashTree writes every file below dir with its path and mode, in a stable order. It omits files
// whose names skip accepts.
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
