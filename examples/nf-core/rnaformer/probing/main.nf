process RNAFORMER_PROBING {
    tag "$meta.id"
    label 'process_medium'

    conda "${moduleDir}/environment.yml"
    container 'biocontainers/rnaformer-cli:0.1.0--pyhdfd78af_0'

    input:
    tuple val(meta), path(fasta), path(shapes)  // a folder of ID.shape files
    val reagent

    output:
    tuple val(meta), path("*.jsonl")       , emit: predictions
    tuple val(meta), path("*.failures.tsv"), emit: failures
    tuple val(meta), path("*.log")         , emit: log
    path "versions.yml"                    , emit: versions

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    def prefix = task.ext.prefix ?: "${meta.id}"
    // Exit code 1 and predictions: some records or data are bad, the others were written. With
    // nothing written, the process fails. The log names bad data.
    """
    code=0
    rnaformer predict \\
        $fasta \\
        --reactivities $shapes \\
        --reagent $reagent \\
        $args \\
        --threads $task.cpus \\
        --format jsonl \\
        --output ${prefix}.jsonl \\
        --failures ${prefix}.failures.tsv 2> ${prefix}.log || code=\$?
    cat ${prefix}.log >&2
    [ \$code = 0 ] || { [ \$code = 1 ] && [ -s ${prefix}.jsonl ]; } || exit \$code

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        rnaformer: \$(rnaformer --version | sed 's/.* //')
    END_VERSIONS
    """

    stub:
    def prefix = task.ext.prefix ?: "${meta.id}"
    """
    touch ${prefix}.jsonl ${prefix}.failures.tsv ${prefix}.log

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        rnaformer: \$(rnaformer --version | sed 's/.* //')
    END_VERSIONS
    """
}
