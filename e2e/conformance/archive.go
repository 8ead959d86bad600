package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
)

// archive contains images as docker save writes them, see
// https://github.com/moby/docker-image-spec/blob/main/spec.md. It contains a layer that several
// images share only once.
type archive struct {
	w        *tar.Writer
	diffs    map[string]string // digests of the layers that are in the archive, by file
	manifest []manifest
}

type manifest struct {
	Config   string
	RepoTags []string
	Layers   []string
}

func writeArchive(w io.Writer, images []image) error {
	a := archive{w: tar.NewWriter(w), diffs: map[string]string{}}
	for _, i := range images {
		if err := a.add(i); err != nil {
			return fmt.Errorf("archiving %s: %w", i.name, err)
		}
	}
	data, err := json.Marshal(a.manifest)
	if err != nil {
		return err
	}
	if err := a.file("manifest.json", data); err != nil {
		return err
	}
	return a.w.Close()
}

func (a *archive) add(i image) error {
	m := manifest{RepoTags: []string{i.name}}
	var diffs []string
	for _, file := range i.layers {
		if err := a.layer(file); err != nil {
			return err
		}
		diffs = append(diffs, a.diffs[file])
		m.Layers = append(m.Layers, filepath.Base(file))
	}
	data, err := json.Marshal(configuration(i, diffs))
	if err != nil {
		return err
	}
	m.Config = digest(data) + ".json"
	a.manifest = append(a.manifest, m)
	return a.file(m.Config, data)
}

// configuration returns the configuration of an image. Its label distinguishes images with the
// same files, which would otherwise be one image with two names.
func configuration(i image, diffs []string) map[string]any {
	config := map[string]any{
		"Env":    []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		"Labels": map[string]string{"dev.mkube.conformance": i.name},
		"User":   i.user,
	}
	if i.entrypoint != nil {
		config["Entrypoint"] = i.entrypoint
	}
	if i.cmd != nil {
		config["Cmd"] = i.cmd
	}
	return map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "config": config,
		"rootfs": map[string]any{"type": "layers", "diff_ids": slices.Clone(diffs)},
	}
}

// layer adds a file under its own name, unless the archive contains it already.
func (a *archive) layer(path string) error {
	if a.diffs[path] != "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := a.w.WriteHeader(&tar.Header{Name: filepath.Base(path), Mode: 0o644, Size: info.Size()}); err != nil {
		return err
	}
	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(a.w, hash), f); err != nil {
		return err
	}
	a.diffs[path] = "sha256:" + hex.EncodeToString(hash.Sum(nil))
	return nil
}

func (a *archive) file(name string, data []byte) error {
	if err := a.w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data))}); err != nil {
		return err
	}
	_, err := a.w.Write(data)
	return err
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
