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
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// derive creates a module for another Kubernetes release from mkube's own main package and the
// go.mod of that release. It returns the folder of the module.
func (b *builder) derive(ctx context.Context, source, version string) (string, error) {
	files, err := goFiles(source)
	if err != nil {
		return "", err
	}
	upstream, err := download(ctx, "k8s.io/kubernetes", version)
	if err != nil {
		return "", err
	}
	pinned, err := os.ReadFile(filepath.Join(source, "go.mod"))
	if err != nil {
		return "", err
	}
	local, err := locals(source)
	if err != nil {
		return "", err
	}
	mod, err := deriveMod(upstream, pinned, version, slices.Sorted(maps.Keys(local)))
	if err != nil {
		return "", err
	}
	for module, dir := range local {
		if err := copyModule(files, module, dir, mod); err != nil {
			return "", fmt.Errorf("copying %s: %w", module, err)
		}
	}
	// go mod tidy rewrites go.mod. derived.mod keeps the original.
	files["go.mod"], files["derived.mod"] = mod, mod
	hash := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(hash, "%s %d\n%s", name, len(files[name]), files[name])
	}
	dir := filepath.Join(b.Cache, "modules", fmt.Sprintf("kubernetes-%s-%x", version, hash.Sum(nil)[:8]))
	_, err = b.cached(dir, func(tmp string) error {
		for name, data := range files {
			file := filepath.Join(tmp, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(file, data, 0o644); err != nil {
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

// goFiles returns the Go files of a package by name, without the tests.
func goFiles(dir string) (map[string][]byte, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, path := range slices.DeleteFunc(paths, isTest) {
		if files[filepath.Base(path)], err = os.ReadFile(path); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// download downloads a module and returns its go.mod.
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

// deriveMod converts the go.mod of k8s.io/kubernetes into that of a module that depends on it. All
// modules keep their versions. A staging module, whose source is in the Kubernetes repository and
// which is required there as v0.0.0, gets the version that was published with the release.
//
// Each module is also replaced by itself. mkube's own module pins more modules, which may require
// newer versions. They must use the versions that the release was tested with. Each local module
// is required, from a folder in this module.
func deriveMod(upstream, pinned []byte, version string, local []string) ([]byte, error) {
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
	// Kubernetes is built with the defaults of the Go release that it names.
	for _, g := range up.Godebug {
		if err := out.AddGodebug(g.Key, g.Value); err != nil {
			return nil, err
		}
	}
	if err := out.AddRequire("k8s.io/kubernetes", version); err != nil {
		return nil, err
	}
	for _, module := range local {
		if err := errors.Join(out.AddRequire(module, "v0.0.0"), out.AddReplace(module, "", "./"+path.Base(module), "")); err != nil {
			return nil, err
		}
	}
	staging := "v0." + strings.SplitN(version, ".", 2)[1]
	for _, r := range up.Require {
		v := r.Mod.Version
		if v == "v0.0.0" {
			v = staging
		}
		if err := out.AddReplace(r.Mod.Path, "", r.Mod.Path, v); err != nil {
			return nil, err
		}
		out.AddNewRequire(r.Mod.Path, v, r.Indirect)
	}
	if err := addPinned(out, up, pinned, local); err != nil {
		return nil, err
	}
	out.Cleanup()
	return out.Format()
}

// addPinned adds the modules that only mkube's own go.mod pins, such as metrics-server. go mod
// tidy removes those that are not needed.
func addPinned(out, up *modfile.File, pinned []byte, local []string) error {
	own, err := modfile.Parse("go.mod", pinned, nil)
	if err != nil {
		return fmt.Errorf("reading mkube's own go.mod: %w", err)
	}
	for _, r := range own.Require {
		known := slices.ContainsFunc(up.Require, func(u *modfile.Require) bool { return u.Mod.Path == r.Mod.Path })
		// A staging module that the release does not have belongs to a later release.
		if !known && !strings.HasPrefix(r.Mod.Path, "k8s.io/") && !slices.Contains(local, r.Mod.Path) {
			out.AddNewRequire(r.Mod.Path, r.Mod.Version, r.Indirect)
		}
	}
	return nil
}
