package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// report is a run as it is kept in a file.
type report struct {
	Machine  string   `json:"machine"`
	Versions string   `json:"versions"` // of the programs that notyet is compared with
	Rounds   int      `json:"rounds"`
	Length   string   `json:"length"` // of one load without an end
	Shared   bool     `json:"shared"` // two CPUs of the program that is measured are not both its own
	Results  []result `json:"results"`
}

func (r report) save(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

func loadReport(path string) (report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return report{}, err
	}
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		return report{}, fmt.Errorf("%s: %w", path, err)
	}
	if len(r.Results) == 0 {
		return report{}, fmt.Errorf("%s: has no results; write the file with -json", path)
	}
	return r, nil
}
