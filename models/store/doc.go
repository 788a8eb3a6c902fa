// Package store is all of Postern's SQL, and the only importer of gorm.
//
// It owns three ways to the data, InTenant, InApplication and OnPlatform, and a method for each statement. It relies on
// migrations for the schema and on row-level security as the second wall behind its WHERE clauses. It stores ciphertext
// and cannot open it; it decides nothing about who may do what.
package store
