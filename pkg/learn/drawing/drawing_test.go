package drawing_test

import (
	"bytes"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/mkube/mkube/pkg/learn/drawing"
)

var update = flag.Bool("update", false, "write the golden files again")

// stages is a graph with everything that can be drawn: each kind of edge, each state, an edge
// across layers, one that leads back, and names that need quoting.
var stages = drawing.Graph{
	Nodes: []drawing.Node{
		{Name: "containerd", State: drawing.Done}, {Name: "kubelet", State: drawing.Done},
		{Name: "kube-apiserver", State: drawing.New}, {Name: "cni"}, {Name: `end & "so" <on>`, State: drawing.Later},
	},
	Edges: []drawing.Edge{
		{From: "containerd", To: "kubelet", Kind: drawing.Needs},
		{From: "kubelet", To: "kube-apiserver", Kind: drawing.Needs},
		{From: "kube-apiserver", To: "cni", Kind: drawing.After},
		{From: "cni", To: "kubelet", Kind: drawing.Uses},
		{From: "kubelet", To: `end & "so" <on>`, Kind: drawing.Uses},
		{From: "cni", To: `end & "so" <on>`, Kind: drawing.After},
	},
}

func TestGolden(t *testing.T) {
	t.Parallel()
	svg, err := drawing.SVG(stages)
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{
		"stages.txt": drawing.Text(stages), "stages.mmd": drawing.Mermaid(stages), "stages.dot": drawing.DOT(stages), "stages.svg": string(svg),
	} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%v; go test ./pkg/drawing -update writes it", err)
		}
		if got != string(want) {
			t.Errorf("%s is not what was drawn; go test ./pkg/drawing -update writes it again:\n%s", path, got)
		}
	}
}

// TestSVGIsXML checks that a picture is well-formed, contains each name once, and is the same
// each time.
func TestSVGIsXML(t *testing.T) {
	t.Parallel()
	svg, err := drawing.SVG(stages)
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]int{}
	inText := false
	for decoder := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := decoder.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			inText = token.Name.Local == "text"
		case xml.CharData:
			if inText {
				texts[string(token)]++
			}
		case xml.EndElement:
			inText = false
		}
	}
	for _, n := range stages.Nodes {
		if texts[n.Name] != 1 {
			t.Errorf("%q is written %d times", n.Name, texts[n.Name])
		}
	}
	if again, err := drawing.SVG(stages); err != nil || !bytes.Equal(again, svg) {
		t.Errorf("the second time it is another picture, %v", err)
	}
}

func TestSVGErrors(t *testing.T) {
	t.Parallel()
	_, err := drawing.SVG(drawing.Graph{
		Nodes: []drawing.Node{{Name: "a"}, {Name: "a"}},
		Edges: []drawing.Edge{{From: "a", To: "b"}, {From: "a", To: "a"}},
	})
	want := `drawing a graph: node "a" is listed twice
the edge from "a" to "b" has a node that is not listed: "b"
node "a" has an edge to itself`
	if err == nil || err.Error() != want {
		t.Errorf("got %v; want %s", err, want)
	}
	if svg, err := drawing.SVG(drawing.Graph{}); err != nil || !bytes.HasPrefix(svg, []byte("<svg ")) {
		t.Errorf("nothing is drawn as %s, %v", svg, err)
	}
}
