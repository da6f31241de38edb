/** Endings of files whose text is taken out of them: an editor would show their bytes. */
export const EXTRACTED_ENDINGS: readonly string[] = ["epub", "pdf", "docx"];

/** Whether a path's text can only be shown as Lectern reads it. */
export function isExtracted(path: string): boolean {
  return EXTRACTED_ENDINGS.includes(path.slice(path.lastIndexOf(".") + 1).toLowerCase());
}
