package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// tomlProblem returns on one line why and where a text is not TOML, "" if it is TOML.
func tomlProblem(text string) string {
	var into map[string]any
	err := toml.Unmarshal([]byte(text), &into)
	var at *toml.DecodeError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &at):
		line, _ := at.Position()
		return problemAt(text, line, strings.TrimPrefix(at.Error(), "toml: "))
	default:
		return quote(err.Error())
	}
}

// problemAt returns a problem with a line of a text, including the line itself.
func problemAt(text string, line int, problem string) string {
	lines := strings.Split(text, "\n")
	return fmt.Sprintf("line %d (%s): %s", line, quote(strings.TrimSpace(lines[min(max(line, 1), len(lines))-1])), problem)
}
