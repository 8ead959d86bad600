package nodeimage

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// derive makes a module for another Kubernetes release out of mkube's own main
// package and the release's go.mod, and returns its folder.
func (b *builder) derive(ctx context.Context, source, version string) (string, error) {
	files, err := goFiles(source)
	if err != nil {
		return "", err
	}
	upstream, err := download(ctx, "k8s.io/kubernetes", version)
	if err != nil {
		return "", err
	}
	mod, err := deriveMod(upstream, version)
	if err != nil {
		return "", err
	}
	// go mod tidy rewrites go.mod; derived.mod is what it was made from.
	files["go.mod"], files["derived.mod"] = mod, mod
	hash := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(hash, "%s %d\n%s", name, len(files[name]), files[name])
	}
	dir := filepath.Join(b.Cache, "modules", fmt.Sprintf("kubernetes-%s-%x", version, hash.Sum(nil)[:8]))
	_, err = b.cached(dir, func(tmp string) error {
		for name, data := range files {
			if err := os.WriteFile(filepath.Join(tmp, name), data, 0o644); err != nil {
				return err
			}
		}
		return b.run(ctx, tmp, goEnv, "go", "mod", "tidy")
	})
	if err != nil {
		return "", fmt.Errorf("pinning the modules of Kubernetes %s: %w", version, err)
	}
	return dir, nil
}

// goFiles are the Go files of a package, by name.
func goFiles(dir string) (map[string][]byte, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, path := range paths {
		if files[filepath.Base(path)], err = os.ReadFile(path); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// download fetches a module and returns its go.mod.
func download(ctx context.Context, module, version string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", module+"@"+version)
	cmd.Env = append(os.Environ(), goEnv...)
	cmd.Dir = os.TempDir() // outside of every module
	out, err := cmd.Output()
	var got struct{ GoMod, Error string }
	if jsonErr := json.Unmarshal(out, &got); jsonErr != nil {
		return nil, errors.Join(err, jsonErr)
	}
	if got.Error != "" {
		return nil, fmt.Errorf("fetching Kubernetes %s: %s", version, got.Error)
	}
	return os.ReadFile(got.GoMod)
}

// deriveMod turns the go.mod of k8s.io/kubernetes into one that depends on it: the
// same versions of everything, and for each staging module (whose source lies in
// the Kubernetes repository and is required there as v0.0.0) the twin published
// with that release.
func deriveMod(upstream []byte, version string) ([]byte, error) {
	up, err := modfile.Parse("go.mod", upstream, nil)
	if err != nil {
		return nil, fmt.Errorf("reading the go.mod of Kubernetes %s: %w", version, err)
	}
	out := new(modfile.File)
	if err := out.AddModuleStmt("github.com/mkube/mkube/node-image/kubernetes"); err != nil {
		return nil, err
	}
	if err := out.AddGoStmt(up.Go.Version); err != nil {
		return nil, err
	}
	// Kubernetes is built with the defaults of the Go release it names.
	for _, g := range up.Godebug {
		if err := out.AddGodebug(g.Key, g.Value); err != nil {
			return nil, err
		}
	}
	if err := out.AddRequire("k8s.io/kubernetes", version); err != nil {
		return nil, err
	}
	staging := "v0." + strings.SplitN(version, ".", 2)[1]
	for _, r := range up.Require {
		v := r.Mod.Version
		if v == "v0.0.0" {
			v = staging
			if err := out.AddReplace(r.Mod.Path, "", r.Mod.Path, v); err != nil {
				return nil, err
			}
		}
		out.AddNewRequire(r.Mod.Path, v, r.Indirect)
	}
	out.Cleanup()
	return out.Format()
}
