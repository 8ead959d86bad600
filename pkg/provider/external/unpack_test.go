package external_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"

	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/provider/external"
)

// unpack returns the files in a line with a seed.
func unpack(line []byte) (map[string][]provider.File, error) {
	var s external.Seed
	if err := json.Unmarshal(line, &s); err != nil {
		return nil, err
	}
	files := map[string][]provider.File{}
	for name, archive := range s.Files {
		for r := tar.NewReader(bytes.NewReader(archive)); ; {
			h, err := r.Next()
			if err == io.EOF {
				break
			} else if err != nil {
				return nil, err
			}
			if h.Typeflag == tar.TypeDir {
				continue
			}
			data, err := io.ReadAll(r)
			if err != nil {
				return nil, err
			}
			files[name] = append(files[name], provider.File{Path: "/" + h.Name, Data: data, Mode: h.FileInfo().Mode()})
		}
	}
	return files, nil
}
