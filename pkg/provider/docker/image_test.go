package docker

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/mkube/mkube/pkg/provider"
)

func TestBuiltID(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ in, id, err string }{
		"nothing":       {"", "", ""},
		"a build":       {`{"stream":"Step 1/2\n"}{"aux":{"ID":"sha256:a"}}{"stream":"Successfully built"}`, "sha256:a", ""},
		"a load":        {`{"stream":"Loaded image: mkube/node:v1\n"}`, "", ""},
		"the last ID":   {`{"aux":{"ID":"sha256:a"}} {"aux":{"ID":"sha256:b"}}`, "sha256:b", ""},
		"an error":      {`{"stream":"Reading lists\n"}{"stream":"E: no such package\n"}{"error":"exit code: 100"}`, "", "exit code: 100\nReading lists\nE: no such package"},
		"no word":       {`{"error":"unexpected EOF"}`, "", "unexpected EOF"},
		"no JSON":       {`oops`, "", "invalid character 'o' looking for beginning of value"},
		"cut off":       {`{"stream":"a`, "", "unexpected EOF"},
		"a long output": {fmt.Sprintf(`{"stream":%q}{"error":"no"}`, strings.Repeat("x", 5000)+"end"), "", "no\n" + strings.Repeat("x", 1997) + "end"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id, err := builtID(strings.NewReader(test.in))
			got := ""
			if err != nil {
				got = err.Error()
			}
			if id != test.id || got != test.err {
				t.Errorf("builtID = %q, %q; want %q, %q", id, got, test.id, test.err)
			}
			if msgErr := messages(strings.NewReader(test.in)); fmt.Sprint(msgErr) != fmt.Sprint(err) {
				t.Errorf("messages = %v; want %v", msgErr, err)
			}
		})
	}
}

// TestInspect inspects images of daemons of several versions, with both image stores.
func TestInspect(t *testing.T) {
	t.Parallel()
	classic := `{"Id":"sha256:c","RepoTags":["web:1"],"RepoDigests":["web@sha256:r"],"Architecture":"arm","Variant":"v7","Os":"linux","Size":5}`
	containerd := `{"Id":"sha256:i","RepoTags":["web:1"],"RepoDigests":["web@sha256:i"],"Architecture":"amd64","Os":"linux","Size":50,"Descriptor":{"digest":"sha256:i"},"Manifests":[
		{"Kind":"image","Available":true,"Size":{"Content":7},"ImageData":{"Platform":{"os":"linux","architecture":"amd64"}}},
		{"Kind":"image","Available":false,"Size":{"Content":1},"ImageData":{"Platform":{"os":"linux","architecture":"386"}}},
		{"Kind":"attestation","Available":true,"Size":{"Content":1}},
		{"Kind":"image","Available":true,"Size":{"Content":8},"ImageData":{"Platform":{"os":"linux","architecture":"arm64","variant":"v8"}}}]}`
	for _, tt := range []struct {
		version, answer string
		manifests       bool // whether it is asked for manifests
		want            provider.Image
	}{
		{"1.41", classic, false, provider.Image{ID: "sha256:c", Tags: []string{"web:1"}, Digests: []string{"web@sha256:r"}, Platforms: []string{"linux/arm/v7"}, Size: 5}},
		{"1.48", classic, true, provider.Image{ID: "sha256:c", Tags: []string{"web:1"}, Digests: []string{"web@sha256:r"}, Platforms: []string{"linux/arm/v7"}, Size: 5}},
		{"1.48", containerd, true, provider.Image{ID: "sha256:i", Tags: []string{"web:1"}, Digests: []string{"web@sha256:i"}, Platforms: []string{"linux/amd64", "linux/arm64/v8"}, Size: 15}},
		{"1.47", `{"Id":"sha256:d"}`, false, provider.Image{ID: "sha256:d"}},
	} {
		p := daemon(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Api-Version", tt.version)
			if asked := r.URL.Query().Get("manifests") == "1"; strings.HasSuffix(r.URL.Path, "/json") && asked != tt.manifests {
				t.Errorf("API %s was asked %s", tt.version, r.URL)
			}
			_, _ = io.WriteString(w, tt.answer)
		})
		got, err := NewImages(p).Inspect(t.Context(), []string{"web:1"})
		if err != nil || !reflect.DeepEqual(got, []provider.Image{tt.want}) {
			t.Errorf("API %s: got %+v, %v, want %+v", tt.version, got, err, tt.want)
		}
	}
}

func TestInspectMissing(t *testing.T) {
	t.Parallel()
	images := NewImages(daemon(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.Contains(r.URL.Path, "/images/no"):
			w.WriteHeader(http.StatusNotFound)
			_ = json.NewEncoder(w).Encode(map[string]string{"message": "no such image"})
		case strings.Contains(r.URL.Path, "/images/broken"):
			w.WriteHeader(http.StatusInternalServerError)
			_ = json.NewEncoder(w).Encode(map[string]string{"message": "the disk is broken"})
		default:
			_, _ = io.WriteString(w, `{"Id":"sha256:c"}`)
		}
	}))
	for names, want := range map[string]string{
		"no:1":           "image no:1 is not on the Docker daemon: docker pull no:1 pulls it, docker build -t no:1 builds it",
		"no:1 web:1 no2": "images no:1, no2 are not on the Docker daemon: docker pull NAME pulls an image, docker build -t NAME builds it",
		"no:1 broken":    "inspecting image broken: Error response from daemon: the disk is broken",
	} {
		if _, err := images.Inspect(t.Context(), strings.Fields(names)); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", names, err, want)
		}
	}
}

// TestSave saves images. A daemon that fails later says why at the end of the archive.
func TestSave(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100_000)
	for body, want := range map[string]string{
		long: "",
		long + `{"errorDetail":{"message":"no room"},"error":"no room"}` + "\r\n": "the Docker daemon failed to save the images: no room",
		long + `{"errorDetail":`: "the Docker daemon failed to save the images: unexpected EOF",
	} {
		images := NewImages(daemon(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Api-Version", "1.41")
			if strings.HasSuffix(r.URL.Path, "/images/get") && !reflect.DeepEqual(r.URL.Query()["names"], []string{"sha256:a", "sha256:b"}) {
				t.Errorf("asked for %s", r.URL)
			}
			_, _ = io.WriteString(w, body)
		}))
		saved, err := images.Save(t.Context(), []string{"sha256:a", "sha256:b"})
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(saved)
		if got := fmt.Sprint(err); string(data) != body || got != want && (err != nil || want != "") {
			t.Errorf("got %d bytes, %v, want %q", len(data), err, want)
		}
		if err := saved.Close(); err != nil {
			t.Error(err)
		}
	}
}
